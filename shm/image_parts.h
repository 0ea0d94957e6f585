/*
 * image_parts.h - inside shm: small checks that the files of image_check() share. image.c has the
 * checkers of routing, image_policy.c those of policies, image_tls.c those of TLS.
 */
#ifndef SHM_IMAGE_PARTS_H
#define SHM_IMAGE_PARTS_H

#include "base/check.h"
#include "base/field.h"
#include "shm/image.h"

#define NAME_BYTES 512u /* names of objects, as logs print them */
#define FIELD_NAME_BYTES 256u
#define FIELD_VALUE_BYTES IMAGE_VALUE_BYTES

/* In a checker: return what is wrong. */
#define NEED(cond, what) \
	do { \
		if (!(cond)) \
			return what; \
	} while (0)

static inline bool
range_ok(struct im_range r, uint32_t n)
{
	return r.first <= n && r.n <= n - r.first;
}

static inline bool
index_ok(uint32_t i, uint32_t n) /* or none */
{
	return i == IM_NONE || i < n;
}

static inline bool
text_ok(const struct image *im, struct im_str s, uint32_t max) /* or absent */
{
	return blob_text_ok(&im->blob, s) && (s.off == IM_NONE || s.len <= max);
}

static inline bool
plain_ok(const struct image *im, struct im_str s, uint32_t max, bool solid)
{
	return text_ok(im, s, max) && image_plain_ok(image_text(im, s), max, solid);
}

static inline bool
token_ok(const struct image *im, struct im_str s) /* must be there */
{
	return text_ok(im, s, FIELD_NAME_BYTES) && image_token_ok(image_text(im, s));
}

/* NULL, or what is wrong with record i of the section. */
#define SEC(name, type, member) const char *image_check_##member(const struct image *, uint32_t i);
IM_SECTIONS_POLICY(SEC)
IM_SECTIONS_TLS(SEC)
#undef SEC

#endif
