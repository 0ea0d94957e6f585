/*
 * build.h - resolved model -> generation image. No decisions are taken here but those of layout and
 * sharing: equal trees, groups of predicates, filters, backends, texts exist once. Compiler child
 * and CLI.
 */
#ifndef CONF_BUILD_BUILD_H
#define CONF_BUILD_BUILD_H

#include "conf/resolve/model.h"
#include "shm/blob.h"

struct build_stats {
	uint64_t bytes;     /* of the file that blob_seal() will write */
	uint32_t rules;     /* in the image */
	uint64_t attached;  /* distinct (rule, listener) pairs that traffic can reach */
	uint32_t trees, paths, groups, items, hosts;
};

/* *out is the caller's: blob_seal(), blob_writer_free(). Writes the fields of the model that are
 * marked as build's own. HG_ERR_RANGE: more than the format holds; HG_ERR_INVALID: the model breaks
 * its contract (a path without a leading slash or longer than IM_PATH_MAX, a route that is not one
 * of model.routes). */
/* *secrets: the keys that the image names, NULL if it has none; the caller's too. */
enum hg_err build_all(const struct model *, struct blob_writer **out,
    struct blob_writer **secrets, struct build_stats *);
/* The same, secrets thrown away. */
enum hg_err build_image(const struct model *, struct blob_writer **out, struct build_stats *);

#endif
