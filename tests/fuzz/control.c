/*
 * control.c - fuzzes the requests of the control socket as the master reads them. What it accepts
 * is a verb of the table; what it refuses says why; the bytes are never read past their end (the
 * text is a copy of exact size, so that a sanitizer sees it).
 */
#include "master/control.h"

#include "base/check.h"
#include "base/mem.h"
#include "shm/ctl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *text = mem_dup(bytes_of((const char *)data, n)), *again = mem_dup(bytes_of(text, n));
	struct control_request r = control_parse(text, n), s = control_parse(again, n);

	HG_CHECK(r.verb < CONTROL_VERB_COUNT);
	HG_CHECK(r.verb == s.verb && r.wait == s.wait && r.now == s.now);
	HG_CHECK(r.verb != CONTROL_BAD || r.error);
	HG_CHECK(n <= CTL_REQUEST_MAX || r.verb == CONTROL_BAD);
	/* who is refused may nothing, root may everything, a stranger only look */
	HG_CHECK(!control_allowed(r.verb, 33, 0, 33));
	HG_CHECK(control_allowed(r.verb, 0, 500, 33));
	HG_CHECK(!control_allowed(r.verb, 1000, 500, 33) || r.verb == CONTROL_version ||
	    r.verb == CONTROL_status);
	mem_free(text);
	mem_free(again);
	return 0;
}
