/*
 * test_tls.c - conf/build/tls.c: what listeners with certificates become in the image. Keys are in
 * the blob of secrets and nowhere else; what is the same is laid out once.
 */
#include "tests/unit/conf/kinds_help.h"
#include "tests/unit/conf/pem.h"
#include "tests/unit/conf/world.h"

#define LISTENER(name, more) \
	"{name: " name ", port: 443, protocol: HTTPS, hostname: " name ".test, " \
	"tls: {certificateRefs: [{name: s}]" more "}}"

static void
shared(void **state)
{
	static const char yaml[] =
	    "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\n"
	    "metadata: {name: gw, namespace: a}\n"
	    "spec: {gatewayClassName: headgate, listeners: [" LISTENER("one", "") ", "
	    LISTENER("two", "") "]}\n---\n"
	    "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: a}\n"
	    "type: kubernetes.io/tls\ndata: {tls.crt: " B64_CRT ", tls.key: " B64_KEY "}\n";
	struct world w;
	struct image im;
	const struct im_tls *t[2];

	(void)state;
	world_init(&w);
	world_file(&w, "t.yaml", yaml);
	world_compile(&w);
	assert_int_equal(w.err, HG_OK);
	im = world_image(&w, "shared");
	assert_int_equal(im.n_listeners, 2);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_not_equal(im.listeners[i].tls, IM_NONE);
		t[i] = &im.tls[im.listeners[i].tls];
		assert_int_equal(t[i]->certs.n, 1);
	}
	assert_int_equal(t[0]->certs.first, t[1]->certs.first);
	assert_int_equal(im.certs[t[0]->certs.first].secret, 0);
	assert_true(image_text(&im, im.certs[t[0]->certs.first].chain).n > 4);
	/* a session of one listener is none of the other's */
	assert_true(t[0]->id[0] != t[1]->id[0] || t[0]->id[1] != t[1]->id[1]);
	image_close(&im);
	world_release(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(shared)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
