/*
 * test_secrets.c - what is written is read back, one at a time; what is not a secrets file of this
 * generation is refused.
 */
#include "shm/secrets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <unistd.h>

static void
there_and_back(void **state)
{
	struct blob_writer *w = secrets_new(7);
	struct secret s;
	int fd;

	(void)state;
	assert_int_equal(secrets_add(w, SECRET_KEY, BYTES("first")), 0);
	assert_int_equal(secrets_add(w, SECRET_KEY, BYTES("second key")), 1);
	fd = blob_seal(w, "test");
	blob_writer_free(w);
	assert_true(fd >= 0);
	assert_int_equal(secrets_check(fd, 7), HG_OK);
	assert_int_equal(secrets_check(fd, 8), HG_ERR_INVALID);
	assert_true(secret_read(fd, 1, SECRET_KEY, &s));
	assert_int_equal(s.n, 10);
	assert_memory_equal(s.der, "second key", 10);
	secret_free(&s);
	assert_null(s.der);
	secret_free(&s);
	assert_false(secret_read(fd, 2, SECRET_KEY, &s));
	assert_false(secret_read(fd, 0, (enum secret_kind)2, &s));
	assert_false(secret_read(-1, 0, SECRET_KEY, &s));
	close(fd);
}

static void
others(void **state)
{
	struct blob_writer *w = blob_writer_new(BLOB_IMAGE, 1, 7);
	struct secret s;
	int fd = blob_seal(w, "test");

	(void)state;
	blob_writer_free(w);
	assert_int_equal(secrets_check(fd, 7), HG_ERR_INVALID);
	assert_false(secret_read(fd, 0, SECRET_KEY, &s));
	close(fd);
	w = secrets_new(7);
	fd = blob_seal(w, "test");
	blob_writer_free(w);
	assert_int_equal(secrets_check(fd, 7), HG_OK);
	assert_false(secret_read(fd, 0, SECRET_KEY, &s));
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(there_and_back),
	    cmocka_unit_test(others)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
