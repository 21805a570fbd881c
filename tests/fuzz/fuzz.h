/* SPDX-License-Identifier: MIT */
/* tests/fuzz/fuzz.h - what a fuzz target exports: libFuzzer and replay.c call it. */
#pragma once

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
