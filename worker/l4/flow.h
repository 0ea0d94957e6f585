/*
 * flow.h - one relayed connection: sniff -> pick -> connect -> relay -> finish. Bytes move by
 * credit between two chans, each direction closes for itself, a reset on one side is a reset on the
 * other.
 */
#ifndef WORKER_FLOW_H
#define WORKER_FLOW_H

#include "net/tube.h"
#include "worker/l4/account.h"

/* HELD: one too many of its listener, silent until it is closed. */
enum flow_phase { FLOW_SNIFF, FLOW_HELD, FLOW_CONNECT, FLOW_RELAY, FLOW_LAST };
enum flow_side { FLOW_US, FLOW_CLIENT, FLOW_BACKEND };

struct flow {
	struct chan down, up;
	struct tube inward, outward; /* from the client, to the client */
	struct worker *w;
	struct list link;
	struct timer timer;
	struct task handover;        /* to HTTPS, from outside the chan's callbacks */
	struct way way;
	struct addr client;          /* the peer, or who its PROXY header says */
	struct addr local;           /* where to, by that header; family 0: as the socket says */
	uint32_t socket;             /* im_socket.id */
	uint32_t id;                 /* of the connection, for the log */
	char *sni;                   /* of TLS; NULL: none or not known */
	uint16_t sni_len;
	const char *tls_version, *tls_cipher; /* terminated here; else NULL */
	uint8_t phase, first;        /* enums; first: who ended it */
	bool tls, passthrough, counted;
	bool proxied;                /* there could have been a PROXY header, and it is past */
	bool in_ips;                 /* counted in worker.ips */
	bool admitted;               /* and at its listener */
	bool leaving;                /* `leave` is because it was removed */
	uint32_t admitted_at;        /* that listener's id */
	uint8_t proxy;               /* enum im_proxy: a header is still to come */
	bool has_up, down_eof, up_eof, alert;
	enum hg_err err;
	uint32_t peeked;             /* bytes looked at before the hello was whole */
	uint64_t begun, begun_real, moved, t_connect;
	uint64_t in, out;            /* bytes from and to the client */
	struct l4_told told;
	uint64_t handshake_ms, idle_ms, max_ms; /* of the client's policy; UINT64_MAX: none */
	uint64_t leave, oldest;      /* to be over by: removed or draining; of old age. 0: no */
};

/* Takes fd. false: no room. tls: the hello decides. */
bool flow_start(struct worker *, int fd, uint32_t socket, bool tls, const struct addr *peer);
/* Ends it: HG_OK closes, else both sides see a reset. */
void flow_end(struct flow *, enum hg_err);
void flow_tell(struct flow *);     /* counters of bytes */
/* A client that is gone, unheard because its backend takes nothing, is not waited for until the
 * idle time. Now and then; may end it. */
void flow_stuck(struct flow *);
void flow_check(struct flow *, const struct gen *, const struct way_rules *, uint64_t until);

/* ---- sniff.c */
extern const struct chan_look flow_look;

/* ---- flow.c, for sniff.c */
struct bytes flow_sni(const struct flow *);
void flow_arm(struct flow *);     /* its timer, by the phase */
void flow_counted(struct flow *); /* it is ours, whatever comes of it */

#endif
