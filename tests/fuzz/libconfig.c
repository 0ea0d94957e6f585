/*
 * libconfig.c - any bytes through the libconfig reader, whose two halves must never disagree;
 * read_any.h says what else must hold.
 */
#include "tests/fuzz/read_any.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return read_any("f.conf", data, size, CODE_READERS_DISAGREE);
}
