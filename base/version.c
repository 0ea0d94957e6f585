/*
 * version.c - the two strings that the makefile passes to this file and to no other, so that a new
 * commit recompiles one small object and not the tree. The id hashes both strings rather than the
 * binary: reading /proc/self/exe would fail in a jail, and a linker build id differs between equal
 * trees.
 */
#include "base/version.h"

#include "base/hash.h"

#ifndef HG_VERSION
#define HG_VERSION "0"
#endif
#ifndef HG_BUILD
#define HG_BUILD "unknown"
#endif

const char *
version_text(void)
{
	return HG_VERSION;
}

const char *
version_build(void)
{
	return HG_BUILD;
}

uint64_t
version_build_id(void)
{
	/* The NUL between the two keeps "1"+"23" apart from "12"+"3". */
	static const char text[] = HG_VERSION "\0" HG_BUILD;

	return hash_mix(hash_more(HASH_SEED, text, sizeof(text))) | 1;
}
