/*
 * k_conf.c - headgate.conf as a table like every kind, with `limits` made from IM_LIMITS, so that a
 * limit is one line in shm/spec.h and nothing here. Values go straight into the image's settings
 * record. A limit in milliseconds takes a number or a duration ("2s"), with or without "_ms" in its
 * name; one in bytes takes a number or a size ("64Ki").
 */
#include "base/addr.h"
#include "conf/kinds/k_core.h"
#include "conf/kinds/load.h"
#include "conf/kinds/table.h"
#include "conf/read/read.h"
#include "shm/spec.h"

#define T im_settings
static const struct kfield limits_fields[] = {
#define LIM(m, defv, lo, hi, un, dc) \
	{.name = #m, .doc = dc, .off = offsetof(struct T, m), .type = FT_LIMIT, .unit = UNIT_##un, \
	    .def = #defv, \
	    BETWEEN(lo, hi)},
	IM_LIMITS(LIM)
#undef LIM
};
static KSTRUCT(limits, "limits", "Bounds that keep one client, route or backend from taking what "
    "all need.",
    .flags = FF_NO_NODE);
#undef T

#define T k_log_conf
static const struct kfield access_log_fields[] = {
	STR(format, "format", "json, or combined as Apache writes it.", NAMES("json", "combined"),
	    TEXT("json")),
	STR(path, "path", "A file, \"stdout\", or \"off\".", CHARS(1, 4096), TEXT("stdout")),
};
static KSTRUCT(access_log, "access_log", "One line a request.");
#undef T
#define T k_shutdown_conf
static const struct kfield shutdown_fields[] = {
	DURATION(grace, "grace", "How long requests in flight may take to end after TERM.",
	    TEXT("30s")),
};
static KSTRUCT(shutdown, "shutdown", "How it stops.");
#undef T

static void
check_headgate(struct vctx *c, void *bound)
{
	struct k_headgate *h = bound;
	const struct node *at = rule_child(h->node, "addresses")->first;
	struct addr ip;
	struct cidr net;

	for (uint32_t i = 0; i < h->addresses.n; i++, at = at->next)
		if (!addr_parse_ip(h->addresses.v[i], &ip))
			diag_at(c->d, CODE_SETTING, at, "\"%.*s\" is not an IP address",
			    BYTES_ARG(h->addresses.v[i]));
	if (h->address_pool.p && !cidr_parse(h->address_pool, &net))
		diag_at(c->d, CODE_SETTING, rule_child(h->node, "address_pool"),
		    "\"%.*s\" is not a network such as 127.1.0.0/16", BYTES_ARG(h->address_pool));
	if (h->admin_address.p && !addr_parse(h->admin_address, &ip))
		diag_at(c->d, CODE_SETTING, rule_child(node_get(h->node, "admin"), "address"),
		    "\"%.*s\" is not an address with a port, such as 127.0.0.1:9000",
		    BYTES_ARG(h->admin_address));
}

#define T k_headgate
static const struct kfield admin_fields[] = {
	STR(admin_address, "address", "Address and port of the admin pages and metrics; absent: "
	    "none.", CHARS(1, 64)),
};
static const struct kstruct ks_admin = {.name = "admin", .doc = "Admin pages and metrics.",
    .fields = admin_fields,
    .n = HG_ARRAY_LEN(admin_fields), .size = sizeof(struct k_headgate), .flags = FF_NO_NODE};

static const struct kfield headgate_fields[] = {
	STR(resources, "resources", "The resource root: infra.d, security.d, routes.d.",
	    CHARS(1, 4096),
	    TEXT("/etc/headgate")),
	INT(workers, "workers", "Worker processes; 0 is one for each allowed CPU.",
	    BETWEEN(0, 1024), .def = "0"),
	STR(user, "user", "User of all processes but the master and the reader.", CHARS(1, 32)),
	STR(group, "group", "Group of these processes.", CHARS(1, 32)),
	STRINGS(addresses, "addresses", "Addresses for Gateways without own ones, and of node "
	    "ports; none means all.",
	    ITEMS(0, 64), SET_OF),
	STR(address_pool, "address_pool", "A network from which each Gateway gets an address of "
	    "its own; without addresses, each LoadBalancer Service too.", CHARS(1, 64)),
	STRINGS(gateway_classes, "gateway_classes",
	    "Further class names that this node answers for.", OBJNAME,
	    ITEMS(0, 64), SET_OF, .pattern = &pat_subdomain),
	STRINGS(file_roots, "file_roots", "Folders (absolute) that files may be referred to in, "
	    "besides those of the role; not from routes.d.",
	    ITEMS(0, 64), CHARS(1, 4096)),
	STRINGS(unix_roots, "unix_roots", "Folders that sockets of backends may lie in.",
	    ITEMS(0, 64), CHARS(1, 4096)),
	STR(state_dir, "state_dir", "Folder for what must outlive a restart.", CHARS(1, 4096)),
	STR(runtime_dir, "runtime_dir", "Folder for the control socket and such.", CHARS(1, 4096)),
	{.name = "admin", .doc = "Admin pages and metrics.", .type = FT_INLINE, .sub = &ks_admin},
	STRUCT(access_log, "access_log", "One line a request.", ks_access_log),
	STRUCT(shutdown, "shutdown", "How it stops.", ks_shutdown),
	STRUCT(settings, "limits", "Bounds on clients, requests and backends.", ks_limits),
};
KSTRUCT(headgate, "headgate.conf", "Settings of the processes. Everything about traffic is in "
    "resources.",
    .check = check_headgate);
#undef T

/* A group that is not in the text, with its defaults. */
static void *
defaults(struct arena *a, struct diags *d, const struct kstruct *s)
{
	void *v = struct_bind(a, d, s, node_new(a, NODE_MAP, NULL));

	HG_CHECK(v);
	return v;
}

struct k_headgate *
load_conf(struct arena *a, struct diags *d, struct bytes file, struct bytes text)
{
	struct node *root = text.p ? read_conf(a, d, file, text) : node_new(a, NODE_MAP, NULL);
	struct k_headgate *h = root ? struct_bind(a, d, &ks_headgate, root) : NULL;

	if (!h)
		return NULL;
	if (!h->access_log)
		h->access_log = defaults(a, d, &ks_access_log);
	if (!h->shutdown)
		h->shutdown = defaults(a, d, &ks_shutdown);
	if (!h->settings)
		h->settings = defaults(a, d, &ks_limits);
	h->settings->shutdown_grace_ms = (uint32_t)h->shutdown->grace.ms;
	h->settings->access_log = bytes_eq(h->access_log->path, BYTES("off")) ? IM_LOG_OFF :
	    bytes_eq(h->access_log->format, BYTES("combined")) ? IM_LOG_COMBINED : IM_LOG_JSON;
	return h;
}
