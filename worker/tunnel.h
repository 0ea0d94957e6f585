/*
 * tunnel.h - another protocol over an exchange: who may ask for one, what each side is told, and
 * the bytes afterwards (RFC 9110 section 7.8, RFC 6455, RFC 8441).
 */
#ifndef WORKER_TUNNEL_H
#define WORKER_TUNNEL_H

#include "worker/exchange.h"

/* The rule is known. Sets x->upgrade where the request's is to be forwarded; where it is to be
 * ignored the request goes on without. STEP_NEXT, or an answer. */
enum step_result tunnel_admit(struct exchange *);
/* Before the head goes to a connection of either protocol version: what belongs to the handshake.
 * HG_ERR_NOMEM. */
enum hg_err tunnel_ask(struct exchange *, bool up_h2);
/* The answer to it is there, with the flags of its head event. HG_OK: to be handed on, whatever it
 * is. */
enum hg_err tunnel_answer(struct exchange *, const struct msg *, unsigned flags);
/* The answer's head is about to be sent; x->switched. HG_ERR_NOMEM. */
enum hg_err tunnel_reply(struct exchange *, struct msg *answer);
/* It was sent: from here on both sides are one. false: no room. */
bool tunnel_begin(struct exchange *);
/* The worker is to end: clients are told within `ms`, where the protocol has words for it. */
void tunnel_drain(struct exchange *, uint64_t ms);
/* With the exchange. */
void tunnel_release(struct exchange *);
/* Who ended it, for the log; NULL: no tunnel. */
const char *tunnel_by(const struct exchange *);

#endif
