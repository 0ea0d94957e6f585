/*
 * udp.c - not yet.
 */
#include "worker/l4/udp.h"

struct udp_port *
udp_open(struct worker *w, int fd, uint32_t socket_id)
{
	(void)w;
	(void)fd;
	(void)socket_id;
	return NULL;
}
void
udp_close(struct udp_port *p)
{
	(void)p;
}
void
udp_free(struct udp *u)
{
	(void)u;
}
void
udp_adopt(struct udp *u, const struct gen *g, const struct way_rules *r, uint64_t t)
{
	(void)u;
	(void)g;
	(void)r;
	(void)t;
}
void
udp_drain(struct udp *u)
{
	(void)u;
}
void
udp_close_all(struct udp *u, enum hg_err e)
{
	(void)u;
	(void)e;
}
bool
udp_busy(const struct udp *u)
{
	return u != NULL;
}
