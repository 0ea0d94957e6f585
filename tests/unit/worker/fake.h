/*
 * fake.h - an image made by hand for tests of single functions: records in arrays, texts in one
 * buffer. Nothing here is sealed or checked.
 */
#ifndef TESTS_UNIT_WORKER_FAKE_H
#define TESTS_UNIT_WORKER_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "http/msg.h"
#include "shm/image.h"

static char fake_text[65536];
static uint32_t fake_ntext;

static inline struct im_str
fake_str(const char *s)
{
	struct im_str r = {IM_NONE, 0};

	if (s == NULL)
		return r;
	r.off = fake_ntext;
	r.len = (uint32_t)strlen(s);
	memcpy(fake_text + fake_ntext, s, r.len);
	fake_ntext += r.len;
	assert_true(fake_ntext < sizeof(fake_text));
	return r;
}

static inline struct image
fake_image(void)
{
	struct image im;

	memset(&im, 0, sizeof(im));
	im.blob.text = fake_text;
	im.blob.ntext = sizeof(fake_text);
	return im;
}

static inline void
fake_field(struct msg *m, const char *name, const char *value)
{
	assert_true(
	    fields_add(&m->fields, bytes_str(name), bytes_str(value), field_id(bytes_str(name))));
}

/* All values of a name as they would go out, one line each, joined by "|"; NULL if there is none.
 */
static inline const char *
fake_values(const struct msg *m, const char *name)
{
	static char out[1024];
	size_t n = 0;
	bool any = false;

	for (unsigned i = 0; i < m->fields.n; i++) {
		const struct field *f = &m->fields.v[i];

		if ((f->flags & (FIELD_GONE | FIELD_HOP)) || !bytes_eqi(f->name, bytes_str(name)))
			continue;
		n += (size_t)snprintf(
		    out + n, sizeof(out) - n, "%s%.*s", any ? "|" : "", BYTES_ARG(f->value));
		any = true;
	}
	return any ? out : NULL;
}

#define assert_values(m, name, want) \
	do { \
		const char *got_ = fake_values(m, name), *want_ = want; \
		if ((got_ == NULL) != (want_ == NULL) || (got_ && strcmp(got_, want_) != 0)) \
			fail_msg("%s is \"%s\", not \"%s\"", name, got_ ? got_ : "(none)", \
			    want_ ? want_ : "(none)"); \
	} while (0)

#define assert_bytes(b, lit) \
	do { \
		struct bytes got_ = (b); \
		if (!bytes_eq(got_, bytes_str(lit))) \
			fail_msg("\"%.*s\" is not \"%s\"", (int)got_.n, got_.p ? got_.p : "", \
			    (lit)); \
	} while (0)

#endif
