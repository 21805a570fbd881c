/* SPDX-License-Identifier: MIT */
/* mime/header.h - encoded words as GMime reads all of them. */
#pragma once

/* @text with the encoded words of base64 as quoted ones; new.  GMime joins adjacent words of one
 * charset and encoding, so that they may share a character, but takes the padding of base64 for the
 * end of them all. */
char *mime_header_without_base64(const char *text);
