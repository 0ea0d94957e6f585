/*
 * catalogue.h - what people read of a generation: objects as JSON text (Secrets redacted),
 * statuses, positions, diagnostics, and what the next compile needs to remember: first-seen times,
 * generations, condition transitions, stable ids, pool addresses, last good content. Written by the
 * compiler child, stored in the state folder as opaque bytes, read by the CLI and by the next
 * compile. Workers never map it.
 */
#ifndef SHM_CATALOGUE_H
#define SHM_CATALOGUE_H

#include "base/addr.h"
#include "shm/blob.h"

#define CAT_SECTIONS(SEC) \
	SEC(INFO, struct cat_info, info) \
	SEC(OBJECT, struct cat_object, objects) \
	SEC(CONDITION, struct cat_condition, conditions) \
	SEC(DIAG, struct cat_diag, diags) \
	SEC(ID, struct cat_id, ids) \
	SEC(ADDRESS, struct cat_address, addresses) \
	SEC(DOCUMENT, struct cat_document, documents) \
	SEC(SHAPE, struct cat_shape, shapes) \
	SEC(CERTFILE, struct cat_file, certfiles)

enum cat_section {
	CAT_TEXT,
#define SEC(name, type, member) CAT_##name,
	CAT_SECTIONS(SEC)
#undef SEC
	CAT_SECTION_COUNT
};

struct cat_info { /* one record */
	uint64_t generation;
	int64_t built;            /* unix seconds */
	uint64_t conf_hash[2];
	uint32_t files, errors, warnings, stale;
	uint32_t compile_ms, pad;
	struct im_str node;       /* host name */
};

#define CAT_STALE 0x01u       /* last good content is served */
#define CAT_BUILTIN 0x02u     /* the GatewayClass that exists without a file */
#define CAT_OWN 0x04u         /* made by headgate: a Service for a Gateway */
#define CAT_PAIR 0x10u        /* a Secret: `good` is a certificate and its key, checked */
#define CAT_KEPT 0x20u /* `good` is older than the object: what it holds now cannot be used */
#define CAT_GONE 0x08u        /* not served any more; remembered for first-seen times only */
struct cat_object {
	struct im_str group, kind, ns, name;
	struct im_str json;       /* without status; absent if CAT_GONE */
	struct im_str status;     /* JSON object, or absent */
	struct im_str source;     /* "file:line" */
	struct im_str uid;
	struct im_str stale;      /* why, if CAT_STALE */
	struct im_str good; /* last good content with secrets (JSON), absent where json serves */
	struct im_range conditions;
	uint64_t hash[2];
	uint64_t origin; /* hash of its document and its place in there; 0 = unknown */
	int64_t created, generation;
	uint32_t flags;
	uint32_t gone;            /* generation in which it vanished, if CAT_GONE */
};
/* For lastTransitionTime: `where` is "", "listeners/NAME", or "parents/<ref as text>". */
struct cat_condition {
	struct im_str where, type, status;
	int64_t since;
};
struct cat_diag {
	struct im_str file, message, label, excerpt, object, field, effect, help[4];
	uint32_t line, col, endcol;
	uint16_t code;
	uint8_t severity, nhelp;
};
enum cat_idkind {
	CAT_ID_RULE = 1,
	CAT_ID_LISTENER,
	CAT_ID_CLUSTER,
	CAT_ID_ENDPOINT,
	CAT_ID_NAME,
	CAT_ID_SOCKET,
	CAT_ID_LIMIT,
	CAT_ID_NODEPORT /* id + 29999 is the port */
};
#define NODEPORT_FIRST 30000u
#define NODEPORT_LAST 32767u
struct cat_id {
	uint64_t key[2];          /* hash of what it stands for */
	struct im_str name;       /* "HTTPRoute shop/web 0", "shop/cart:8080 10.0.0.1:80", … */
	uint32_t id;
	uint8_t kind;             /* enum cat_idkind */
	uint8_t pad[3];
	/* generation in which it vanished, 0 = in use; free when no worker is older */
	uint64_t gone;
};
struct cat_address {
	struct im_str gateway;    /* "ns/name", of a second address "ns/name#1" */
	struct addr addr;
	uint32_t gone; /* 0 = in use, else the generation in which its Gateway vanished */
};

/* A document that was read without a diagnostic (conf/read/doccache.h): a reload need not parse it
 * again. The packed tree (conf/read/pack.h) says where its words stand. */
struct cat_document {
	uint64_t hash[2];
	uint32_t size;            /* bytes */
	uint32_t shape;           /* index */
};
struct cat_shape {
	struct im_str tree;
};

/* Certificate and key of a file that a listener names: its last good content, with secrets. */
struct cat_file {
	struct im_str path, crt, key, ocsp; /* PEM; ocsp: DER, or absent */
	uint64_t hash[2];
};

struct catalogue {
	struct blob blob;
#define SEC(name, type, member) const type *member; uint32_t n_##member;
	CAT_SECTIONS(SEC)
#undef SEC
};

uint64_t catalogue_layout(void);
/* Opens and checks everything (it may come from disk). `stored`: seals are not asked for; what has
 * none is copied first. */
enum hg_err catalogue_open(int fd, bool stored, struct catalogue *out);
void catalogue_close(struct catalogue *);
const struct cat_object *catalogue_find(const struct catalogue *, struct bytes group,
    struct bytes kind, struct bytes ns, struct bytes name);

#endif
