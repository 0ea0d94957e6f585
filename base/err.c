/*
 * err.c - the error table as an array. One row an error, expanded from the list in err.h, so that
 * no second place can disagree about what a client, a peer or the access log is told. Unknown
 * numbers (a corrupt word from shared memory, say) read as INTERNAL instead of reaching past the
 * table.
 */
#include "base/err.h"

struct err_row {
	const char *name, *reason, *text;
	unsigned short http, grpc, h2;
};

static const struct err_row rows[HG_ERR_COUNT] = {
#define ERR(id, status, rpc, code, why, words) \
	[HG_ERR_##id] = { \
	    .name = #id, .reason = why, .text = words, .http = status, .grpc = rpc, .h2 = code},
	HG_ERR_TABLE(ERR)
#undef ERR
};

static const struct err_row *
row(enum hg_err e)
{
	return &rows[(unsigned)e < HG_ERR_COUNT ? e : HG_ERR_INTERNAL];
}

const char *
err_name(enum hg_err e)
{
	return row(e)->name;
}

const char *
err_text(enum hg_err e)
{
	return row(e)->text;
}

const char *
err_reason(enum hg_err e)
{
	return row(e)->reason;
}

unsigned
err_http(enum hg_err e)
{
	return row(e)->http;
}

unsigned
err_grpc(enum hg_err e)
{
	return row(e)->grpc;
}

unsigned
err_h2(enum hg_err e)
{
	return row(e)->h2;
}
