/*
 * yaml.c - any bytes through the YAML reader; read_any.h says what must hold.
 */
#include "tests/fuzz/read_any.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return read_any("f.yaml", data, size, CODE_INTERNAL);
}
