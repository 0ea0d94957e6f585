/*
 * catalogue.c by itself: rows out of bounds are refused, look-ups find what is there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/check.h"
#include "shm/catalogue.h"

static const struct im_str none = {IM_NONE, 0};

static struct cat_object
object(struct blob_writer *w, const char *group, const char *kind, const char *ns, const char *name)
{
	struct cat_object o = {.json = none,
	    .status = none,
	    .source = none,
	    .uid = none,
	    .stale = none,
	    .good = none};

	o.group = blob_put_text(w, bytes_str(group));
	o.kind = blob_put_text(w, bytes_str(kind));
	o.ns = blob_put_text(w, bytes_str(ns));
	o.name = blob_put_text(w, bytes_str(name));
	return o;
}

static const char *const rows[][4] = {{"", "Secret", "a", "s"}, {"", "Service", "a", "web"},
    {"", "Service", "b", "api"}, {"", "Service", "b", "web"}, {"g", "Gateway", "a", "edge"},
    {"g", "GatewayClass", "", "c"}};

static struct blob_writer *
fill(const struct cat_object *last)
{
	struct blob_writer *w = blob_writer_new(BLOB_CATALOGUE, catalogue_layout(), 3);
	struct cat_info info = {.generation = 3, .node = none};

	blob_put_text(w, BYTES("some text"));
	for (size_t i = 0; i < HG_ARRAY_LEN(rows); i++) {
		struct cat_object o = object(w, rows[i][0], rows[i][1], rows[i][2], rows[i][3]);

		blob_add(w, CAT_OBJECT, &o, 1, sizeof(o));
	}
	if (last != NULL)
		blob_add(w, CAT_OBJECT, last, 1, sizeof(*last));
	blob_add(w, CAT_INFO, &info, 1, sizeof(info));
	return w;
}

static enum hg_err
try(struct blob_writer *w)
{
	int fd = blob_seal(w, "test");
	struct catalogue c;
	enum hg_err e;

	assert_true(fd >= 0);
	e = catalogue_open(fd, false, &c);
	if (e == HG_OK)
		catalogue_close(&c);
	close(fd);
	blob_writer_free(w);
	return e;
}

static void
finds(void **state)
{
	struct blob_writer *w = fill(NULL);
	int fd = blob_seal(w, "test");
	struct catalogue c;

	(void)state;
	assert_int_equal(catalogue_open(fd, false, &c), HG_OK);
	for (size_t i = 0; i < HG_ARRAY_LEN(rows); i++)
		assert_ptr_equal(catalogue_find(&c, bytes_str(rows[i][0]), bytes_str(rows[i][1]),
				     bytes_str(rows[i][2]), bytes_str(rows[i][3])),
		    &c.objects[i]);
	assert_ptr_equal(
	    catalogue_find(&c, BYTES("g"), BYTES("GatewayClass"), BYTES_NONE, BYTES("c")),
	    &c.objects[5]);
	assert_null(catalogue_find(&c, BYTES(""), BYTES("Service"), BYTES("a"), BYTES("api")));
	assert_null(catalogue_find(&c, BYTES("z"), BYTES("Z"), BYTES("z"), BYTES("z")));
	catalogue_close(&c);
	close(fd);
	blob_writer_free(w);
}

static void
refuses(void **state)
{
	struct cat_object base = {.json = none,
	    .status = none,
	    .source = none,
	    .uid = none,
	    .stale = none,
	    .good = none};
	struct cat_object o;
	struct cat_id id = {.kind = 200};
	struct cat_address address = {.addr.family = 9};
	struct cat_condition cond = {.where = {0, 1u << 30}};
	struct cat_diag diag = {.nhelp = 5};
	struct cat_info info = {.node = none};
	struct blob_writer *w;

	(void)state;
	assert_int_equal(try(fill(&base)), HG_OK);
	o = base;
	o.json = (struct im_str){1u << 30, 4};
	assert_int_equal(try(fill(&o)), HG_ERR_INVALID);
	o = base;
	o.group = none; /* a name must be there */
	assert_int_equal(try(fill(&o)), HG_ERR_INVALID);
	o = base;
	o.conditions = (struct im_range){0, 1};
	assert_int_equal(try(fill(&o)), HG_ERR_INVALID);
	o.conditions = (struct im_range){UINT32_MAX, 2};
	assert_int_equal(try(fill(&o)), HG_ERR_INVALID);
	w = fill(NULL);
	blob_add(w, CAT_ID, &id, 1, sizeof(id));
	assert_int_equal(try(w), HG_ERR_INVALID);
	w = fill(NULL);
	blob_add(w, CAT_ADDRESS, &address, 1, sizeof(address));
	assert_int_equal(try(w), HG_ERR_INVALID);
	w = fill(NULL);
	blob_add(w, CAT_CONDITION, &cond, 1, sizeof(cond));
	assert_int_equal(try(w), HG_ERR_INVALID);
	w = fill(NULL);
	blob_add(w, CAT_DIAG, &diag, 1, sizeof(diag));
	assert_int_equal(try(w), HG_ERR_INVALID);
	w = fill(NULL);
	blob_add(w, CAT_INFO, &info, 1, sizeof(info)); /* exactly one */
	assert_int_equal(try(w), HG_ERR_INVALID);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(finds), cmocka_unit_test(refuses)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
