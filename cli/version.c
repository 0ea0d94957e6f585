/*
 * version.c - `headgate version [-o json]`.
 */
#include "base/version.h"

#include <stdio.h>

#include "cli/opts.h"
#include "cli/verbs.h"

int
version_verb(struct opts *o)
{
	if (o->output == OUT_JSON)
		printf("{\"version\":\"%s\",\"build\":\"%s\",\"gatewayAPI\":\"v1.7.0\"}\n",
		    version_text(), version_build());
	else
		printf("headgate %s (build %s, Gateway API v1.7.0)\n", version_text(),
		    version_build());
	return 0;
}
