/* test_image.c - a good image passes in slices of any size; each single wrong record is refused, by
 * name. */
#include "tests/unit/base/unit.h"

#include <unistd.h>

#include "tests/unit/shm/image_hand.h"

static enum hg_err
check_all(struct blob_writer *w, uint32_t budget, char why[128], unsigned *slices)
{
	int fd = blob_seal(w, "test");
	struct image im;
	uint64_t pos = 0;
	enum hg_err err;

	assert_true(fd >= 0);
	assert_int_equal(image_open(fd, &im), HG_OK);
	close(fd);
	*slices = 0;
	do {
		err = image_check(&im, &pos, budget, why);
		assert_true(++*slices < 100000);
	} while (err == HG_ERR_AGAIN);
	image_close(&im);
	return err;
}

static void
good(void **state)
{
	char why[128] = "";
	unsigned slices, few;

	(void)state;
	for (uint32_t budget = 0; budget < 80; budget++) {
		struct blob_writer *w = hand_image();

		if (check_all(w, budget, why, &slices) != HG_OK)
			fail_msg("budget %u: %s", budget, why);
		blob_writer_free(w);
	}
	assert_int_equal(slices, 1);
	for (unsigned s = 1; s < IM_SECTION_COUNT; s++) { /* the image by hand has all of them */
		struct blob_writer *w = hand_image();

		assert_true(blob_count(w, s) != 0);
		blob_writer_free(w);
	}
	struct blob_writer *w = hand_image();

	assert_int_equal(check_all(w, 2, why, &few), HG_OK);
	assert_true(few > 15);
	blob_writer_free(w);
}

#define AT(type, member) offsetof(struct type, member), sizeof(((struct type *)NULL)->member)
static const struct {
	unsigned section;
	size_t at, size;
	uint64_t value;
	const char *why;
} wrong[] = {
    {IM_SETTINGS, AT(im_settings, fields), 0, "settings[0]: fields"},
    {IM_SETTINGS, AT(im_settings, header_bytes), 1ull << 40, "settings[0]: header_bytes"},
    {IM_SETTINGS, AT(im_settings, access_log), 9, "settings[0]: access_log"},
    {IM_SETTINGS, AT(im_settings, server.off), 1u << 30, "settings[0]: server"},
    {IM_GATEWAY, AT(im_gateway, ns.len), 1u << 30, "gateways[0]: ns"},
    {IM_SOCKET, AT(im_socket, listeners.any), 1, "sockets[0]: listeners"},
    {IM_SOCKET, AT(im_socket, listeners.mask), 2, "sockets[0]: listeners"},
    {IM_SOCKET, AT(im_socket, listeners.mask), 7, "sockets[0]: listeners"},
    {IM_SOCKET, AT(im_socket, addr.family), 5, "sockets[0]: addr"},
    {IM_SOCKET, AT(im_socket, transport), 3, "sockets[0]: transport"},
    {IM_SOCKET, AT(im_socket, protocol), 0, "sockets[0]: protocol"},
    {IM_SOCKET, AT(im_socket, proxy), 3, "sockets[0]: proxy"},
    {IM_SOCKET, AT(im_socket, id), 1u << 20, "sockets[0]: id"},
    {IM_SOCKET, AT(im_socket, client), 1, "sockets[0]: client"},
    {IM_SOCKET, AT(im_socket, listener), 1, "sockets[0]: listener"},
    {IM_LISTENER, AT(im_listener, http.first), 1, "listeners[0]: http"},
    {IM_LISTENER, AT(im_listener, grpc.any), 1, "listeners[0]: grpc"},
    {IM_LISTENER, AT(im_listener, gateway), 1, "listeners[0]: gateway"},
    {IM_TREE, AT(im_tree, mask), 3, "trees[0]: table"},
    {IM_TREE, AT(im_tree, first), UINT32_MAX, "trees[0]: table"},
    {IM_REGEXPATH, AT(im_regexpath, regex), 1, "regexpaths[0]: regex"},
    {IM_REGEXPATH, AT(im_regexpath, group), 1, "regexpaths[0]: group"},
    {IM_REGEXPATH, AT(im_regexpath, group), IM_NONE, "regexpaths[0]: group"},
    {IM_REGEXPATH, AT(im_regexpath, group), IM_DIRECT | 1, "regexpaths[0]: group"},
    {IM_GROUP, AT(im_group, all), 2, "groups[0]: bits"},
    {IM_GROUP, AT(im_group, all), 0, "groups[0]: bits"},
    {IM_GROUP, AT(im_group, all), 3, "groups[0]: items"},
    {IM_GROUP, AT(im_group, items), 1, "groups[0]: items"},
    {IM_GROUP, AT(im_group, preds.n), 2, "groups[0]: preds"},
    {IM_GROUP, AT(im_group, next), 0, "groups[0]: next"},
    {IM_GROUP, AT(im_group, next), 1, "groups[0]: next"},
    {IM_PRED, AT(im_pred, kind), 4, "preds[0]: key"},
    {IM_PRED, AT(im_pred, field), FIELD_COUNT, "preds[0]: key"},
    {IM_PRED, AT(im_pred, field), FIELD_HOST, "preds[0]: key"},
    {IM_SWITCH, AT(im_switch, kind), 0, "switches[0]: key"},
    {IM_SWITCH, AT(im_switch, name.len), 0, "switches[0]: key"},
    {IM_SWITCH, AT(im_switch, mask), 1, "switches[0]: table"},
    {IM_SWITCH, AT(im_switch, first), 1, "switches[0]: table"},
    {IM_SWITCH, AT(im_switch, rest), 1, "switches[0]: rest"},
    {IM_SWITCH, AT(im_switch, rest), IM_VIA_SWITCH, "switches[0]: rest"},
    {IM_CASE, AT(im_case, group), IM_VIA_SWITCH, "switches[0]: case points back"},
    {IM_CASE, AT(im_case, group), IM_DIRECT | 1, "switches[0]: case points back"},
    {IM_CASE, AT(im_case, text.len), 1u << 30, "cases[0]: text"},
    {IM_PRED, AT(im_pred, nexact), 2, "preds[0]: values"},
    {IM_PRED, AT(im_pred, nexact), 0, "preds[0]: pattern among values"},
    {IM_PREDVALUE, AT(im_predvalue, regex), 1, "preds[0]: pattern among values"},
    {IM_PREDVALUE, AT(im_predvalue, text.off), IM_NONE, "predvalues[0]: value"},
    {IM_ITEM, AT(im_item, rule), 1, "items[0]: rule"},
    {IM_ROUTE, AT(im_route, kind), 0, "routes[0]: kind"},
    {IM_RULE, AT(im_rule, route), 1, "rules[0]: route"},
    {IM_RULE, AT(im_rule, id), 1u << 20, "rules[0]: id"},
    {IM_RULE, AT(im_rule, weight), 2, "rules[0]: weight"},
    {IM_RULE, AT(im_rule, retry), 1, "rules[0]: retry"},
    {IM_RULE, AT(im_rule, error), HG_ERR_COUNT, "rules[0]: error"},
    {IM_RULE, AT(im_rule, filters.n), 7, "rules[0]: filters"},
    {IM_BACKEND, AT(im_backend, cluster), IM_NONE, "backends[0]: cluster"},
    {IM_BACKEND, AT(im_backend, error), 0xffff, "backends[0]: error"},
    {IM_CLUSTER, AT(im_cluster, endpoints.first), 1, "clusters[0]: endpoints"},
    {IM_CLUSTER, AT(im_cluster, dns), 0, "clusters[0]: dns_name"},
    {IM_CLUSTER, AT(im_cluster, dns), 4096, "clusters[0]: dns"},
    {IM_CLUSTER, AT(im_cluster, proto), 0, "clusters[0]: proto"},
    {IM_ENDPOINT, AT(im_endpoint, addr.family), 5, "endpoints[0]: addr"},
    {IM_FILTER, AT(im_filter, type), 7, "filters[0]: type"},
    {IM_FILTER, AT(im_filter, arg.n), 2, "filters[0]: arg"},
    {IM_EDIT, AT(im_edit, op), 0, "edits[0]: op"},
    {IM_EDIT, AT(im_edit, field), FIELD_HOST, "edits[0]: field"},
    {IM_EDIT, AT(im_edit, name.len), 0, "edits[0]: name"},
    {IM_EDIT, AT(im_edit, value.off), IM_NONE, "edits[0]: value"},
    {IM_REDIRECT, AT(im_redirect, status), 200, "redirects[0]: status"},
    {IM_REDIRECT, AT(im_redirect, path.off), IM_NONE, "redirects[0]: path"},
    {IM_REDIRECT, AT(im_redirect, pathop), 3, "redirects[0]: path"},
    {IM_REWRITE, AT(im_rewrite, prefix.off), IM_NONE, "rewrites[0]: path"},
    {IM_MIRROR, AT(im_mirror, cluster), 1, "mirrors[0]: cluster"},
    {IM_MIRROR, AT(im_mirror, den), 0, "mirrors[0]: share"},
    {IM_CORS, AT(im_cors, origins.n), 2, "cors[0]: origins"},
    {IM_RETRY, AT(im_retry, attempts), 1001, "retries[0]: attempts"},
    {IM_PERSIST, AT(im_persist, type), 3, "persists[0]: type"},
    {IM_STRING, 0, 4, IM_NONE, "strings[0]: absent"},
    {IM_REGEX, 4, 4, 0, "regexes[0]: absent"},
    {IM_RULE, AT(im_rule, policy), 1, "rules[0]: policy"},
    {IM_LISTENER, AT(im_listener, client), 1, "listeners[0]: client"},
    {IM_BACKEND, AT(im_backend, fallback), 2, "backends[0]: fallback"},
    {IM_ENDPOINT, AT(im_endpoint, host.len), 1u << 30, "endpoints[0]: host"},
    {IM_POLICY, AT(im_policy, limits.n), 2, "policies[0]: limits"},
    {IM_POLICY, AT(im_policy, balance), 1, "policies[0]: balance"},
    {IM_POLICY, AT(im_policy, delay_ppm), 1000001, "policies[0]: ppm"},
    {IM_POLICY, AT(im_policy, abort_status), 99, "policies[0]: abort_status"},
    {IM_POLICY, AT(im_policy, abort_grpc), 17, "policies[0]: abort_grpc"},
    {IM_POLICY, AT(im_policy, compression), 8, "policies[0]: compression"},
    {IM_LIMIT, AT(im_limit, interval_ns), 0, "limits[0]: interval_ns"},
    {IM_LIMIT, AT(im_limit, burst), 1ull << 41, "limits[0]: burst"},
    {IM_LIMIT, AT(im_limit, window_s), 0, "limits[0]: window_s"},
    {IM_LIMIT, AT(im_limit, keys.first), 2, "limits[0]: keys"},
    {IM_LIMIT, AT(im_limit, id), 1u << 20, "limits[0]: id"},
    {IM_LIMIT, AT(im_limit, shared), 2, "limits[0]: flags"},
    {IM_LIMITKEY, AT(im_limitkey, kind), 8, "limitkeys[0]: kind"},
    {IM_LIMITKEY, AT(im_limitkey, match), IM_LM_REGEX, "limitkeys[0]: regex"},
    {IM_LIMITKEY, AT(im_limitkey, cidr), 0, "limitkeys[0]: cidr"},
    {IM_LIMITKEY, AT(im_limitkey, field), FIELD_HOST, "limitkeys[0]: name"},
    {IM_BALANCE, AT(im_balance, type), IM_LB_RANDOM, "balances[0]: hash"},
    {IM_BALANCE, AT(im_balance, table_size), 0, "balances[0]: table_size"},
    {IM_BALANCE, AT(im_balance, hash_names.n), 0, "balances[0]: hash_names"},
    {IM_BALANCE, AT(im_balance, health), 1, "balances[0]: health"},
    {IM_HEALTH, AT(im_health, path.off), IM_NONE, "healths[0]: path"},
    {IM_HEALTH, AT(im_health, interval_ms), 0, "healths[0]: times"},
    {IM_HEALTH, AT(im_health, eject_interval_ms), 0, "healths[0]: eject_interval_ms"},
    {IM_OVERRIDE, AT(im_override, redirect), 1, "overrides[0]: redirect"},
    {IM_OVERRIDE, AT(im_override, status), 600, "overrides[0]: status"},
    {IM_STATUSRANGE, AT(im_statusrange, first), 99, "statusranges[0]: bounds"},
    {IM_CLIENT, AT(im_client, cidrs.n), 2, "clients[0]: cidrs"},
    {IM_CLIENT, AT(im_client, ip_header.off), IM_NONE, "clients[0]: ip_header"},
    {IM_CLIENT, AT(im_client, slashes), 4, "clients[0]: enum"},
    {IM_CLIENT, AT(im_client, proxy_protocol), 2, "clients[0]: flags"},
    {IM_CIDR, AT(cidr, bits), 33, "cidrs[0]: bits"},
    {IM_LISTENER, AT(im_listener, tls), 1, "listeners[0]: tls"},
    {IM_LISTENER, AT(im_listener, protocol), IM_HTTPS, "listeners[0]: tls"},
    {IM_TLSCONF, AT(im_tls, certs.n), 2, "tls[0]: certs"},
    {IM_TLSCONF, AT(im_tls, alpn.len), 2, "tls[0]: alpn"},
    {IM_TLSCONF, AT(im_tls, cas.n), 0, "tls[0]: client without cas"},
    {IM_TLSCONF, AT(im_tls, min_version), 0x0300, "tls[0]: version"},
    {IM_TLSCONF, AT(im_tls, client), 5, "tls[0]: client"},
    {IM_TLSCONF, AT(im_tls, crl_leaf), 2, "tls[0]: flags"},
    {IM_TLSCONF, AT(im_tls, crls.n), 2, "tls[0]: crls"},
    {IM_TLSCONF, AT(im_tls, checks.n), 2, "tls[0]: checks"},
    {IM_CERTCHECK, AT(im_certcheck, kind), 8, "certchecks[0]: kind"},
    {IM_CERTCHECK, AT(im_certcheck, kind), 1, "certchecks[0]: pin"},
    {IM_CERTCHECK, AT(im_certcheck, match), 0, "certchecks[0]: match"},
    {IM_CERTCHECK, AT(im_certcheck, value.off), IM_NONE, "certchecks[0]: value"},
    {IM_CERTCHECK, AT(im_certcheck, oid.off), IM_NONE, "certchecks[0]: oid"},
    {IM_CERT, AT(im_cert, chain.off), IM_NONE, "certs[0]: chain"},
    {IM_CERT, AT(im_cert, chain.len), 10, "certs[0]: chain"},
    {IM_CERT, AT(im_cert, chain.len), 4, "certs[0]: chain"},
    {IM_CERT, AT(im_cert, names.n), 1u << 20, "certs[0]: names"},
    {IM_CA, AT(im_ca, der.off), IM_NONE, "cas[0]: der"},
    {IM_UPTLS, AT(im_uptls, cert), 1, "uptls[0]: cert"},
    {IM_UPTLS, AT(im_uptls, names.n), 1u << 20, "uptls[0]: names"},
    {IM_UPTLS, AT(im_uptls, cas.n), 2, "uptls[0]: cas"},
    {IM_UPTLS, AT(im_uptls, sni_from), 3, "uptls[0]: sni_from"},
    {IM_UPTLS, AT(im_uptls, verify), 2, "uptls[0]: verify"},
    {IM_UPTLS, AT(im_uptls, max_version), 0x0300, "uptls[0]: version"},
    {IM_CLUSTER, AT(im_cluster, tls), 1, "clusters[0]: tls"},
    {IM_GATEWAY, AT(im_gateway, cert), 1, "gateways[0]: cert"},
};

static void
bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(wrong); i++) {
		struct blob_writer *w = hand_image();
		char why[128] = "accepted";
		unsigned slices;

		memcpy((char *)blob_at(w, wrong[i].section, 0) + wrong[i].at, &wrong[i].value,
		    wrong[i].size);
		if (check_all(w, 3, why, &slices) != HG_ERR_INVALID ||
		    strcmp(why, wrong[i].why) != 0)
			fail_msg("row %zu: \"%s\", not \"%s\"", i, why, wrong[i].why);
		blob_writer_free(w);
	}
}

/* Values that would end up in somebody's head or path. */
static void
bad_texts(void **state)
{
	static const struct {
		unsigned section;
		size_t at;
		const char *text;
	} rows[] = {
	    {IM_EDIT, offsetof(struct im_edit, value), "a\r\nb: c"},
	    {IM_EDIT, offsetof(struct im_edit, value), "\x7f"},
	    {IM_EDIT, offsetof(struct im_edit, name), "X A"},
	    {IM_REWRITE, offsetof(struct im_rewrite, path), "/a b"},
	    {IM_REWRITE, offsetof(struct im_rewrite, path), "a"},
	    {IM_REDIRECT, offsetof(struct im_redirect, host), "a\nb"},
	    {IM_CORS, offsetof(struct im_cors, methods), "GET\r\n"},
	    {IM_PERSIST, offsetof(struct im_persist, name), "a=b"},
	    {IM_PRED, offsetof(struct im_pred, name), "X-A"},
	    {IM_GATEWAY, offsetof(struct im_gateway, name), "a\x1b[2J"},
	    {IM_LIMIT, offsetof(struct im_limit, response_header), "a b"},
	    {IM_BALANCE, offsetof(struct im_balance, cookie_attrs), "; a\r\n"},
	    {IM_HEALTH, offsetof(struct im_health, path), "p"},
	    {IM_OVERRIDE, offsetof(struct im_override, content_type), "a\r\nb: c"},
	};

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(rows); i++) {
		struct blob_writer *w = hand_image();
		struct im_str s = blob_put_text(w, bytes_str(rows[i].text));
		char why[128] = "accepted";
		unsigned slices;

		memcpy((char *)blob_at(w, rows[i].section, 0) + rows[i].at, &s, sizeof(s));
		if (check_all(w, 100, why, &slices) != HG_ERR_INVALID)
			fail_msg("row %zu accepted", i);
		blob_writer_free(w);
	}
}

static void
bad_tables(void **state)
{
	struct blob_writer *w = hand_image();
	char why[128];
	unsigned slices;

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		struct im_host *h = blob_at(w, IM_HOST, i);

		if (h->value != IM_NONE)
			h->value = 1;
	}
	assert_int_equal(check_all(w, 2, why, &slices), HG_ERR_INVALID);
	assert_string_equal(why, "listeners[0]: table value");
	blob_writer_free(w);
	w = hand_image();
	(void)blob_add(w, IM_SETTINGS, NULL, 1, sizeof(struct im_settings));
	assert_int_equal(check_all(w, 2, why, &slices), HG_ERR_INVALID);
	blob_writer_free(w);
	w = blob_writer_new(BLOB_IMAGE, image_layout(), 1);
	assert_int_equal(check_all(w, 2, why, &slices), HG_ERR_INVALID); /* empty */
	blob_writer_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(good),
	    cmocka_unit_test(bad),
	    cmocka_unit_test(bad_texts),
	    cmocka_unit_test(bad_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
