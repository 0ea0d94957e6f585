/*
 * parts.h - what the files of conf/build share. Nobody else includes it.
 */
#ifndef CONF_BUILD_PARTS_H
#define CONF_BUILD_PARTS_H

#include "base/arena.h"
#include "base/hash.h"
#include "conf/build/build.h"

/* ---- share.c: arrays of records by content */
struct share {
	struct share_slot *slots;
	uint32_t n, mask;
	struct hash_key key;
};
void share_init(struct share *);
void share_release(struct share *);
/* Index of the first of n consecutive records equal to these, added if there are none. Padding
 * counts: clear it. */
uint32_t share_add(struct share *, struct blob_writer *, unsigned section, const void *recs,
    uint32_t n, size_t elem);

#define SHARE(b, section, recs, n) share_add(&(b)->share, (b)->w, section, recs, n, sizeof(*(recs)))
#define CLEARED(type, name) \
	type name; \
	memset(&name, 0, sizeof(name))

struct build_variant { /* a route under one set of policies */
	struct m_route *route;
	struct m_policy **policies; /* of its rules; NULL: none */
	uint32_t image;             /* im_route, IM_NONE: not written yet; of the first one */
	uint32_t *rules;            /* im_rule of each rule; NULL: not written yet */
};

struct build {
	const struct model *m;
	struct blob_writer *w;
	struct blob_writer *secrets; /* NULL: none yet */
	struct arena arena;      /* lives as long as the build */
	struct arena tmp;        /* one tree, one table */
	struct share share;
	struct map hostnames;    /* -> 1 + id */
	struct bytes *names;     /* id -> hostname; [0] = any */
	size_t nnames, names_cap;
	/* Routes by precedence, each followed by its variants under other policies; m_route.index
	 * is the place of the one without any. */
	struct build_variant *ranked;
	uint32_t nranked;
	struct map trees;        /* ranks of routes -> 1 + im_tree */
	struct map tables;       /* (hostname, tree) pairs -> struct im_hosttab * */
	struct build_stats *stats;
	enum hg_err err;         /* the first one */
	bool odd;                /* the rule at hand has a text that no image may hold */
};

/* ---- records.c: everything that is written once for each model object */
void records_settings(struct build *);
void records_clusters(struct build *);
void records_route(struct build *, uint32_t rank); /* the route and its rules, at first use */
struct im_range records_strings(struct build *, const struct bytes *, uint32_t n);
struct im_range records_edits(struct build *, const struct m_edit *, uint32_t n);
uint32_t records_redirect(struct build *, const struct m_filter *);

/* ---- rank.c: fills ranked, m_route.index and m_attach.rank */
void rank_routes(struct build *);

/* ---- policy.c: IM_NONE for NULL */
uint32_t policy_record(struct build *, struct m_policy *);
uint32_t client_record(struct build *, struct m_client *);

/* ---- tree.c: the tree of a set of routes (ranks, ascending); cached by content */
uint32_t tree_of(struct build *, const uint32_t *ranks, uint32_t n, bool grpc);

/* ---- group.c: matches of one path, in precedence order */
struct build_entry {
	struct bytes key;        /* path as the table knows it */
	uint32_t hash;           /* of key */
	uint32_t seq;            /* last tie-break: route, rule, match */
	uint64_t prec;           /* lower wins */
	uint32_t rule;           /* im_rule */
	const struct m_match *match;
	struct bytes pattern;    /* M_PATH_REGEX */
	uint8_t type;            /* enum m_pathtype */
};
struct build_cond { /* one thing that a match asks for */
	struct bytes name, value;
	uint32_t hash;  /* of value */
	uint32_t entry; /* which match */
	uint8_t kind;   /* enum im_predkind */
	uint8_t regex;
};
struct build_skip { /* keys whose exact values a switch has tested already */
	const struct build_skip *up;
	struct bytes name;
	uint8_t kind;
};
/* A group reference to a chain of groups. */
uint32_t group_chain(
    struct build *, const struct build_entry *, uint32_t n, const struct build_skip *);
/* All conditions of e[0..n), sorted by key, value, match. mem_free() it. */
struct build_cond *group_conds(
    const struct build_entry *, uint32_t n, const struct build_skip *, size_t *count);
int group_key_cmp(const struct build_cond *, const struct build_cond *);
int group_value_cmp(const struct build_cond *, const struct build_cond *);

/* ---- switch.c: the same, by a table of values where that is worth it */
uint32_t group_of(struct build *, const struct build_entry *, uint32_t n);
bool group_counts(const struct m_value *v, uint16_t i, bool header); /* not a repeated name */

/* ---- tls.c */
uint32_t tls_record(struct build *, const struct m_tls *); /* im_tls, IM_NONE for NULL */
uint32_t tls_up_record(struct build *, const struct m_uptls *);
uint32_t tls_cert_record(struct build *, struct m_cert *);

/* ---- hosts.c */
struct build_name {
	struct bytes name;       /* hostname as in a manifest; absent = any */
	uint32_t value;
};
struct im_hosttab hosts_table(struct build *, const struct build_name *, uint32_t n);
uint32_t hosts_intern(struct build *, struct bytes hostname); /* 0 = any */
void hosts_listener(struct build *, struct m_listener *, struct im_listener *);

/* Smallest power of two that holds n at a load of at most 0.8. */
static inline uint32_t
table_size(uint32_t n)
{
	uint32_t size = 1;

	while ((uint64_t)size * 4 < (uint64_t)n * 5)
		size *= 2;
	return size;
}

#endif
