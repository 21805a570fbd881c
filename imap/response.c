/* SPDX-License-Identifier: MIT */
/* imap/response.c - what kind of response it is, and the parts of a status response. */
#include "imap/response.h"

#include <string.h>

#define BLANKS " \t\r"

static char *skip_blanks(const char *text)
{
    return (char *)text + strspn(text, BLANKS);
}

static gboolean is_blank_or_end(char c)
{
    return c == '\0' || strchr(BLANKS, c);
}

/* The status that @word begins with, in upper case, or NULL.  Some servers leave the "OK" out
 * before a response code.  An LF, which stands for a literal, is no end: there it is no status. */
static const char *find_status(const char *word, gsize *ret_len)
{
    static const char *const statuses[] = {"OK", "NO", "BAD", "BYE", "PREAUTH"};
    gsize len = strcspn(word, BLANKS "[{");

    *ret_len = len;
    if (len == 0 && *word == '[')
        return "OK";
    for (gsize i = 0; i < G_N_ELEMENTS(statuses); i++)
        if (strlen(statuses[i]) == len && g_ascii_strncasecmp(word, statuses[i], len) == 0)
            return statuses[i];
    return NULL;
}

gboolean imap_response_can_have_literals(const char *line)
{
    const char *text = skip_blanks(line);
    gsize len;

    return text[0] == '*' && is_blank_or_end(text[1]) && !find_status(skip_blanks(text + 1), &len);
}

static void to_upper(char *word)
{
    for (; *word; word++)
        *word = g_ascii_toupper(*word);
}

/* Ends the word at *text with a NUL and goes to what follows. */
static char *take_word(char **text)
{
    char *word = *text, *end = word + strcspn(word, BLANKS);

    *text = *end == '\0' ? end : skip_blanks(end + 1);
    *end = '\0';
    return word;
}

/* "CODE args", without brackets. */
static void read_code(ImapParser *parser, const ImapRaw *raw, char *code, ImapResponse *response)
{
    ImapParsed args = imap_parser_run(parser, raw, code + strcspn(code, BLANKS "()"));

    to_upper(code);
    response->code = code;
    response->code_args = args.values;
    response->is_cut |= args.is_cut;
    response->is_malformed |= args.is_malformed;
}

/* "[CODE args] text".  The raw text may be cut, but a code that has its ']' is whole. */
static void read_status(ImapParser *parser, const ImapRaw *raw, char *text, ImapResponse *response)
{
    ImapRaw whole = *raw;
    char *start = skip_blanks(text), *close = NULL, *stop;

    if (*start == '[')
        close = imap_parser_find_bracket(start + 1, &stop);
    if (close) {
        *close = '\0';
        whole.is_cut = FALSE;
        read_code(parser, &whole, skip_blanks(start + 1), response);
        start = skip_blanks(close + 1);
    }
    response->is_status = TRUE;
    response->text = g_strdelimit(start, "\r", ' ');
}

static void read_tagged(ImapParser *parser, const ImapRaw *raw, char *text, ImapResponse *response)
{
    gsize len;
    const char *status = find_status(text, &len);

    if (status && len > 0) {
        response->name = status;
        text += len;
    } else {
        response->name = take_word(&text);
        to_upper((char *)response->name);
    }
    response->is_malformed = !g_str_equal(response->name, "OK") &&
                             !g_str_equal(response->name, "NO") &&
                             !g_str_equal(response->name, "BAD");
    read_status(parser, raw, text, response);
}

/* "5 " before the name; what only looks like a number makes the response malformed. */
static char *read_number(char *text, ImapResponse *response)
{
    const char *word;

    if (!g_ascii_isdigit(*text) && *text != '+' && *text != '-')
        return text;
    word = take_word(&text);
    response->has_number = imap_number_parse(word, strlen(word), G_MAXUINT32, &response->number);
    response->is_malformed = !response->has_number;
    return text;
}

static void read_data(ImapParser *parser, const ImapRaw *raw, char *text, ImapResponse *response)
{
    char *name = read_number(text, response);
    ImapParsed parsed = imap_parser_run(parser, raw, name + strcspn(name, BLANKS "()\n"));

    to_upper(name);
    response->name = name;
    response->values = parsed.values;
    response->is_cut |= parsed.is_cut;
    response->is_malformed |= parsed.is_malformed || *name == '\0';
}

static void read_untagged(ImapParser *parser, const ImapRaw *raw, char *text,
                          ImapResponse *response)
{
    gsize len;
    const char *status = find_status(text, &len);

    if (!status) {
        read_data(parser, raw, text, response);
        return;
    }
    response->name = status;
    read_status(parser, raw, text + len, response);
}

ImapResponse imap_response_parse(ImapParser *parser, const ImapRaw *raw)
{
    ImapResponse response = {.name = "", .text = "", .is_cut = raw->is_cut};
    char *text = skip_blanks(raw->text);
    const char *tag;

    if (*text == '+') {
        response.kind = IMAP_RESPONSE_CONTINUATION;
        read_status(parser, raw, text + 1, &response);
        return response;
    }
    tag = take_word(&text);
    if (g_str_equal(tag, "*")) {
        response.kind = IMAP_RESPONSE_UNTAGGED;
        read_untagged(parser, raw, text, &response);
    } else {
        response.kind = IMAP_RESPONSE_TAGGED;
        response.tag = tag;
        read_tagged(parser, raw, text, &response);
    }
    return response;
}
