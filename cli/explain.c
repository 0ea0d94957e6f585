/*
 * explain.c - `headgate explain KIND[.field…]`, `headgate explain HGnnnn`: from the same tables
 * that validate.
 */
#include <stdio.h>

#include "base/parse.h"
#include "base/strbuf.h"
#include "cli/cli.h"
#include "cli/opts.h"
#include "cli/verbs.h"
#include "conf/kinds/schema.h"
#include "conf/read/codes.h"

static int
explain_code(struct bytes digits)
{
	uint64_t code;

	if (!parse_u64(digits, 9999, &code) || !code_title((unsigned)code)) {
		fprintf(stderr, "headgate: no error has the code HG%.*s\n", BYTES_ARG(digits));
		return EX_FAILED;
	}
	printf("HG%04u: %s\n\n%s\n", (unsigned)code, code_title((unsigned)code),
	    code_explanation((unsigned)code));
	return 0;
}

int
explain_verb(struct opts *o)
{
	struct strbuf out = STRBUF_INIT;
	struct bytes what = bytes_str(o->nargs ? o->args[0] : NULL);
	int rc;

	if (o->nargs != 1) {
		fprintf(stderr, "usage: headgate explain KIND[.field…] | HGnnnn\n");
		return EX_USAGE_;
	}
	if (what.n == 6 && bytes_eqi(bytes_of(what.p, 2), BYTES("HG")))
		return explain_code(bytes_of(what.p + 2, 4));
	rc = schema_explain(what, &out);
	fprintf(rc ? stderr : stdout, "%s%s", out.p ? out.p : "", rc ? "\n" : "");
	strbuf_release(&out);
	return rc ? EX_FAILED : 0;
}
