/* test_blob.c - what is written is what is read; what is not sealed, whole, or ours is refused. */
#include "tests/unit/base/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shm/blob.h"

#define LAYOUT 77

struct rec {
	uint64_t a;
	struct im_str s;
};

static struct blob_writer *
writer(void)
{
	struct blob_writer *w = blob_writer_new(BLOB_CATALOGUE, LAYOUT, 5);
	struct rec r = {1, blob_put_text(w, BYTES("hello"))};

	assert_int_equal(blob_add(w, 3, &r, 1, sizeof(r)), 0);
	r = (struct rec){2, blob_put_text(w, BYTES("world"))};
	assert_int_equal(blob_add(w, 3, &r, 1, sizeof(r)), 1);
	return w;
}

static void
round_trip(void **state)
{
	struct blob_writer *w = writer();
	struct im_str again = blob_put_text(w, BYTES("hello")), none = blob_put_text(w, BYTES_NONE);
	struct im_str empty = blob_put_text(w, BYTES(""));
	const struct rec *r;
	struct blob b;
	uint32_t n;
	int fd;

	(void)state;
	assert_int_equal(again.off, ((struct rec *)blob_at(w, 3, 0))->s.off);
	assert_int_equal(none.off, IM_NONE);
	assert_int_equal(blob_count(w, 3), 2);
	fd = blob_seal(w, "test");
	assert_true(fd >= 0);
	assert_int_equal(lseek(fd, 0, SEEK_END), blob_writer_size(w));
	blob_writer_free(w);
	assert_int_equal(blob_open(fd, BLOB_CATALOGUE, LAYOUT, &b), HG_OK);
	assert_int_equal(b.head->generation, 5);
	r = blob_records(&b, 3, sizeof(*r), &n);
	assert_int_equal(n, 2);
	assert_bytes(blob_text(&b, r[1].s), "world");
	assert_true(blob_text(&b, empty).p != NULL && blob_text(&b, empty).n == 0);
	assert_null(blob_text(&b, none).p);
	assert_non_null(blob_records(&b, 2, 1, &n)); /* empty, but there */
	assert_int_equal(n, 0);
	assert_null(blob_records(&b, 3, 8, &n));
	assert_null(blob_records(&b, 40, sizeof(*r), &n));
	assert_true(blob_text_ok(&b, (struct im_str){0, b.ntext}));
	assert_false(blob_text_ok(&b, (struct im_str){1, b.ntext}));
	assert_false(blob_text_ok(&b, (struct im_str){UINT32_MAX - 1, 8}));
	blob_close(&b);
	close(fd);
}

static void
many_texts(void **state)
{
	struct blob_writer *w = blob_writer_new(BLOB_IMAGE, 1, 1);
	struct im_str first[5000];
	char buf[32];

	(void)state;
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 5000; i++) {
			int n = snprintf(buf, sizeof(buf), "text-%d", i);
			struct im_str s = blob_put_text(w, bytes_of(buf, (size_t)n));

			assert_true(round == 0 || s.off == first[i].off);
			first[i] = s;
		}
	blob_writer_free(w);
}

static void
only_sealed(void **state)
{
	struct blob_writer *w = writer();
	int fd = blob_seal(w, "test"), copy = memfd_create("copy", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	char buf[8192];
	ssize_t n;
	struct blob b;

	(void)state;
	n = pread(fd, buf, sizeof(buf), 0);
	assert_true(n > 0 && write(copy, buf, (size_t)n) == n);
	assert_int_equal(blob_open(copy, BLOB_CATALOGUE, LAYOUT, &b), HG_ERR_INVALID);
	assert_int_equal(blob_open_file(copy, BLOB_CATALOGUE, LAYOUT, &b), HG_OK);
	blob_close(&b);
	assert_int_equal(pwrite(fd, "x", 1, 0), -1); /* sealed */
	assert_int_equal(ftruncate(fd, 1), -1);
	assert_int_equal(blob_open(fd, BLOB_IMAGE, LAYOUT, &b), HG_ERR_INVALID);
	assert_int_equal(blob_open(fd, BLOB_CATALOGUE, LAYOUT + 1, &b), HG_ERR_INVALID);
	blob_writer_free(w);
	close(copy);
	close(fd);
}

/* Every single changed field of header and section table that matters. */
static void
damaged(void **state)
{
	static const struct {
		size_t at;
		uint64_t value;
	} rows[] = {
	    {offsetof(struct blob_header, magic), 1},
	    {offsetof(struct blob_header, size), 1},
	    {offsetof(struct blob_header, sections), 8},
	    {offsetof(struct blob_header, sections), 1ull << 40},
	    {offsetof(struct blob_header, sections) + 8, 0xffffffffull | 1ull << 32},
	    {offsetof(struct blob_header, sections) + 8, 5ull},
	    {offsetof(struct blob_header, sections[3]) + 8, 3ull | 24ull << 32},
	    {offsetof(struct blob_header, sections[3]) + 8, 2ull | 0xffffffffull << 32},
	    {offsetof(struct blob_header, kind), 2ull | 65ull << 32},
	    {offsetof(struct blob_header, kind), 2ull},
	};
	struct blob_writer *w = writer();
	int fd = blob_seal(w, "test");
	char buf[8192];
	ssize_t n = pread(fd, buf, sizeof(buf), 0);

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(rows); i++) {
		int copy = memfd_create("copy", MFD_CLOEXEC);
		struct blob b;

		assert_true(write(copy, buf, (size_t)n) == n);
		assert_int_equal(blob_open_file(copy, BLOB_CATALOGUE, LAYOUT, &b), HG_OK);
		blob_close(&b);
		assert_int_equal(pwrite(copy, &rows[i].value, 8, (off_t)rows[i].at), 8);
		assert_int_equal(blob_open_file(copy, BLOB_CATALOGUE, LAYOUT, &b), HG_ERR_INVALID);
		close(copy);
	}
	for (off_t cut = 0; cut < n; cut += 7) {
		int copy = memfd_create("copy", MFD_CLOEXEC);
		struct blob b;

		assert_true(write(copy, buf, (size_t)cut) == cut);
		assert_int_equal(blob_open_file(copy, BLOB_CATALOGUE, LAYOUT, &b), HG_ERR_INVALID);
		close(copy);
	}
	blob_writer_free(w);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(round_trip),
	    cmocka_unit_test(many_texts),
	    cmocka_unit_test(only_sealed),
	    cmocka_unit_test(damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
