/*
 * account.h - counters and the log line of one connection or session that is over.
 */
#ifndef WORKER_ACCOUNT_H
#define WORKER_ACCOUNT_H

#include "worker/l4/way.h"

struct l4_account {
	const char *protocol;           /* "tcp", "tls", "udp" */
	const struct addr *client;
	struct bytes sni;
	const char *tls_version, *tls_cipher; /* terminated here; else NULL */
	uint64_t conn, begun, begun_real, t_connect, in, out, packets_in, packets_out;
	uint8_t first;                  /* 0 we ended it, 1 the client, 2 the backend */
	bool served;                    /* it reached a backend */
	enum hg_err err;
	const char *detail;             /* more of it, or NULL */
};

void l4_account(struct worker *, const struct way *, struct l4_account *);

/* Bytes show in the counters while they move, not only at the end: what is new since the last
 * call. */
struct l4_told {
	uint64_t in, out;
};
void l4_tell(struct worker *, const struct way *, struct l4_told *, uint64_t in, uint64_t out);

#endif
