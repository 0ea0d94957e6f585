/*
 * image_hand.h - one small image, record by record, with at least one of each type: what the checks
 * and the matcher are tried on without conf/build. A request for x.test GET /p with "x-a: 1" gets
 * rule 0.
 */
#ifndef TESTS_IMAGE_HAND_H
#define TESTS_IMAGE_HAND_H

#include "base/field.h"
#include "base/hash.h"
#include "shm/image.h"

#define HAND_ADD(w, section, ...) (void)blob_add(w, section, &(__VA_ARGS__), 1, sizeof(__VA_ARGS__))

static inline uint32_t
hand_hash(const char *s)
{
	return (uint32_t)hash_mix(hash_more(HASH_SEED, s, strlen(s)));
}

static inline void
hand_routing(struct blob_writer *w)
{
	struct im_str none = {IM_NONE, 0}, x_test = blob_put_text(w, BYTES("x.test"));
	struct im_str never = blob_put_text(w, BYTES("/never"));
	struct im_str wild = blob_put_text(w, BYTES(".w.test"));
	struct im_hosttab hosts = {.first = 0, .mask = IM_NONE, .any = IM_NONE},
			  table = {1 << 2, 0, 3, IM_NONE, 0};
	struct im_host h[4] = {
	    {0, IM_NONE, none}, {0, IM_NONE, none}, {0, IM_NONE, none}, {0, IM_NONE, none}};
	struct im_path p[2] = {{.path = none}, {.path = none}};
	uint32_t at = hand_hash("x.test") & 3;

	h[at] = (struct im_host){hand_hash("x.test"), 0, x_test};
	for (at = hand_hash(".w.test") & 3; h[at].value != IM_NONE;)
		at = (at + 1) & 3;
	h[at] = (struct im_host){hand_hash(".w.test"), 0, wild};
	(void)blob_add(w, IM_HOST, h, 4, sizeof(*h));
	HAND_ADD(w, IM_SOCKET,
	    (struct im_socket){
		{0, 0, IM_NONE, 0, 0}, {.family = 4, .port = 80}, 1, IM_TCP, IM_HTTP, IM_PROXY_OFF,
		0, 0, 0});
	HAND_ADD(w, IM_LISTENER,
	    (struct im_listener){table, hosts, {0, 0, IM_NONE, IM_NONE, 0}, 1, 0,
		blob_put_text(w, BYTES("http")), none, 80,
		IM_HTTP, 0, IM_NONE, 0, 1, {0, 0}});
	HAND_ADD(w, IM_TREE, (struct im_tree){1 << 1, 1 << 0, 0, 1, {0}});
	p[hand_hash("/p") & 1] = (struct im_path){
	    hand_hash("/p"), IM_NONE, IM_VIA_SWITCH | 0, blob_put_text(w, BYTES("/p")), {0, 0}};
	at = hand_hash("") & 1;
	if (p[at].path.off != IM_NONE)
		at ^= 1;
	p[at] = (struct im_path){hand_hash(""), IM_NONE, IM_NONE, {0, 0}, {0, 1}};
	(void)blob_add(w, IM_PATH, p, 2, sizeof(*p));
	HAND_ADD(w, IM_REGEX, never);
	HAND_ADD(w, IM_REGEXPATH, (struct im_regexpath){0, 0, 0 | IM_DIRECT, 0});
	HAND_ADD(
	    w, IM_GROUP, (struct im_group){.all = 1, .items = 0, .preds = {0, 1}, .next = IM_NONE});
	HAND_ADD(w, IM_SWITCH,
	    (struct im_switch){
		blob_put_text(w, BYTES("x-a")), 0, 0, IM_NONE, IM_P_HEADER, FIELD_OTHER, {0}});
	HAND_ADD(w, IM_CASE, (struct im_case){blob_put_text(w, BYTES("1")), hand_hash("1"), 0});
	HAND_ADD(w, IM_PRED,
	    (struct im_pred){
		1, blob_put_text(w, BYTES("x-a")), {0, 1}, 1, IM_P_HEADER, FIELD_OTHER, {0}});
	HAND_ADD(w, IM_PREDVALUE,
	    (struct im_predvalue){1, blob_put_text(w, BYTES("1")), hand_hash("1"), IM_NONE});
	HAND_ADD(w, IM_ITEM, (struct im_item){0, 0, 0});
}

static inline void
hand_rules(struct blob_writer *w)
{
	struct im_str none = {IM_NONE, 0}, name = blob_put_text(w, BYTES("name")),
		      path = blob_put_text(w, BYTES("/p"));
	struct im_str star = blob_put_text(w, BYTES("*"));

	HAND_ADD(w, IM_ROUTE, (struct im_route){name, name, IM_HTTPROUTE, {0}, 1});
	HAND_ADD(w, IM_RULE,
	    (struct im_rule){.id = 1,
		.filters = {0, 6},
		.backends = {0, 1},
		.weight = 1,
		.retry = 0,
		.persist = 0});
	HAND_ADD(w, IM_BACKEND, (struct im_backend){1, 0, {0, 0}, IM_NONE, HG_OK, 0, 0});
	HAND_ADD(w, IM_CLUSTER,
	    (struct im_cluster){1, name, {0, 1}, IM_NONE, none, IM_NONE, 0, IM_UP_H1, 0});
	HAND_ADD(w, IM_ENDPOINT, (struct im_endpoint){{.family = 4, .port = 80}, 1, 1, none, name});
	for (uint8_t type = IM_F_REQUEST_HEADERS; type <= IM_F_CORS; type++)
		HAND_ADD(w, IM_FILTER, (struct im_filter){type, {0}, {0, 1}});
	HAND_ADD(w, IM_EDIT,
	    (struct im_edit){blob_put_text(w, BYTES("X-A")), name, IM_SET, FIELD_OTHER, {0}});
	HAND_ADD(
	    w, IM_REDIRECT, (struct im_redirect){name, path, path, 302, 0, 1, IM_PATH_PREFIX, {0}});
	HAND_ADD(w, IM_REWRITE, (struct im_rewrite){name, path, path, IM_PATH_PREFIX, {0}});
	HAND_ADD(w, IM_MIRROR, (struct im_mirror){0, 1, 2});
	HAND_ADD(w, IM_CORS, (struct im_cors){{0, 1}, name, name, none, 5, 1, {0}});
	HAND_ADD(w, IM_STRING, star);
	HAND_ADD(w, IM_RETRY, (struct im_retry){.attempts = 1});
	HAND_ADD(w, IM_PERSIST, (struct im_persist){name, path, 0, IM_PERSIST_COOKIE, 0, {0}});
}

static inline void
hand_policies(struct blob_writer *w)
{
	struct im_str none = {IM_NONE, 0}, name = blob_put_text(w, BYTES("name")),
		      path = blob_put_text(w, BYTES("/p"));
	struct im_limitkey key = {IM_LK_HEADER, IM_LM_EXACT, FIELD_OTHER, 0, IM_NONE, name, name,
	    IM_NONE, 0};

	HAND_ADD(w, IM_POLICY, (struct im_policy){.name = name, .limits = {0, 1},
	    .overrides = {0, 1}, .abort_grpc = 255});
	HAND_ADD(w, IM_LIMIT, (struct im_limit){.base = {1, 2}, .interval_ns = 1, .burst = 1,
	    .requests = 1, .window_s = 1, .keys = {0, 1}, .cost = 1, .response_header = none,
	    .id = 1});
	HAND_ADD(w, IM_LIMITKEY, key);
	HAND_ADD(w, IM_BALANCE, (struct im_balance){.type = IM_LB_HASH, .hash = IM_HASH_HEADER,
	    .hash_names = {0, 1}, .cookie_attrs = none, .table_size = 3});
	HAND_ADD(w, IM_HEALTH, (struct im_health){.type = IM_HC_HTTP, .host = none, .path = path,
	    .method = name, .send = none, .receive = none, .expected = {0, 1}, .timeout_ms = 1,
	    .interval_ms = 1, .unhealthy = 1, .healthy = 1, .eject_interval_ms = 1, .passive = 1});
	HAND_ADD(w, IM_OVERRIDE, (struct im_override){.statuses = {0, 1}, .headers = {0, 1},
	    .edits = {0, 1}, .content_type = none, .body = none, .redirect = 0});
	HAND_ADD(w, IM_STATUSRANGE, (struct im_statusrange){200, 299});
	HAND_ADD(w, IM_CLIENT, (struct im_client){.name = name, .cidrs = {0, 1}, .early = {0, 1},
	    .late = {0, 1}, .upgrades = {0, 1}, .ip_header = name, .http10_host = none,
	    .health_path = path, .ipdetect = IM_IP_HEADER});
	HAND_ADD(w, IM_CIDR, (struct cidr){{.family = 4}, 8, {0}});
}

static inline void
hand_tls(struct blob_writer *w)
{
	struct im_str none = {IM_NONE, 0}, name = blob_put_text(w, BYTES("name"));
	struct im_str chain = blob_put_text(w, bytes_of("\0\0\0\1x\0\0\0\2yz", 11));
	struct im_str alpn = blob_put_text(w, BYTES("\2h2"));

	HAND_ADD(w, IM_TLSCONF, (struct im_tls){.certs = {0, 1}, .ciphers = name,
	    .ciphersuites = none, .curves = none, .sigalgs = none, .alpn = alpn, .cas = {0, 1},
	    .min_version = 0x0303, .client = IM_CA_REQUIRE, .tickets = 1, .crls = {0, 1},
	    .checks = {0, 1}});
	HAND_ADD(w, IM_CERTCHECK, (struct im_certcheck){.value = name, .oid = name,
	    .kind = IM_CC_OTHER, .match = IM_CM_PREFIX});
	HAND_ADD(w, IM_CERT, (struct im_cert){.chain = chain, .ocsp = none, .names = {0, 1}});
	HAND_ADD(w, IM_CA, (struct im_ca){.der = name});
	HAND_ADD(w, IM_UPTLS, (struct im_uptls){.sni = name, .names = {0, 1}, .cas = {0, 1},
	    .ciphers = none, .ciphersuites = none, .curves = name, .sigalgs = none, .cert = IM_NONE,
	    .alpn = none, .verify = 1});
}

static inline struct blob_writer *
hand_image(void)
{
	static const struct im_settings settings = {
#define LIM(member, def, lo, hi, unit, doc) .member = (def),
	    IM_LIMITS(LIM)
#undef LIM
	    .server = {IM_NONE, 0}, .via = {IM_NONE, 0}};
	struct blob_writer *w = blob_writer_new(BLOB_IMAGE, image_layout(), 1);
	struct im_str name = blob_put_text(w, BYTES("name"));

	(void)blob_add(w, IM_SETTINGS, &settings, 1, sizeof(settings));
	HAND_ADD(w, IM_GATEWAY, (struct im_gateway){name, name, IM_NONE});
	hand_routing(w);
	hand_rules(w);
	hand_policies(w);
	hand_tls(w);
	return w;
}

#endif
