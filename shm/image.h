/*
 * image.h - a mapped generation image: typed views of its sections, and the check that makes them
 * safe. After image_check() succeeded, every index, range and text in it is in bounds, so the hot
 * path tests none.
 */
#ifndef SHM_IMAGE_H
#define SHM_IMAGE_H

#include "shm/spec.h"

struct image {
	struct blob blob;
#define SEC(name, type, member) const type *member; uint32_t n_##member;
	IM_SECTIONS(SEC)
#undef SEC
};

uint64_t image_layout(void); /* hash of all record sizes */
enum hg_err image_open(int fd, struct image *out); /* blob_open + views; not checked yet */
void image_close(struct image *);

/* The check, in slices so that a worker's loop keeps turning: call until it returns other than
 * HG_ERR_AGAIN. *pos starts at 0; each call looks at about `budget` records. HG_ERR_INVALID: refuse
 * the image (why[] says what). */
enum hg_err image_check(const struct image *, uint64_t *pos, uint32_t budget, char why[128]);

/* Texts that may stand in an image; absent is fine for the first and third. Build asks before it
 * writes, so that one odd value breaks its rule and not the generation. No control bytes but HTAB;
 * `solid`: nor blanks. A token of RFC 9110 5.6.2. "" or from a slash, solid, <= IM_PATH_MAX. */
bool image_plain_ok(struct bytes, size_t max, bool solid);
bool image_token_ok(struct bytes);
bool image_path_ok(struct bytes);
#define IMAGE_VALUE_BYTES 16384u /* a field value */

static inline struct bytes
image_text(const struct image *im, struct im_str s)
{
	return blob_text(&im->blob, s);
}

#define IMAGE_CSTR 1025
/* For who wants a NUL behind it. NULL: absent, or too long. */
const char *image_cstr(const struct image *, struct im_str, char room[IMAGE_CSTR]);

/* What a policy (or IM_NONE) says about the way to its backends, or NULL. */
static inline const struct im_balance *
image_balance(const struct image *im, uint32_t policy)
{
	uint32_t b = policy == IM_NONE ? IM_NONE : im->policies[policy].balance;

	return b == IM_NONE ? NULL : &im->balances[b];
}

#endif
