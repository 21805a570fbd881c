#!/bin/sh
# SPDX-License-Identifier: MIT
# tests/lint/format.sh CHECKOUT - whether clang-format would change anything.
cd "$1" && find mail mime net cache imap pop fs tests -name '*.[ch]' -exec clang-format --dry-run -Werror {} +
