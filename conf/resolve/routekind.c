/*
 * routekind.c - look-ups in the table of route kinds.
 */
#include "conf/resolve/routekind.h"

const struct routekind routekind_table[ROUTEKIND_COUNT] = {
#define R(kind, image, name, type, unserved) {kind, image, name, unserved},
	ROUTEKIND_TABLE(R)
#undef R
};

uint8_t
routekind_parse(struct bytes group, struct bytes kind)
{
	if (!bytes_eq(group, BYTES(GROUP_GATEWAY)))
		return 0;
	for (unsigned i = 0; i < ROUTEKIND_COUNT; i++)
		if (bytes_eq(kind, bytes_str(routekind_table[i].name)))
			return routekind_table[i].image;
	return 0;
}

const char *
routekind_name(uint8_t image)
{
	for (unsigned i = 0; i < ROUTEKIND_COUNT; i++)
		if (routekind_table[i].image == image)
			return routekind_table[i].name;
	return "";
}

enum kind_id
routekind_of(uint8_t image)
{
	for (unsigned i = 0; i < ROUTEKIND_COUNT; i++)
		if (routekind_table[i].image == image)
			return routekind_table[i].kind;
	return KIND_HTTPROUTE;
}
