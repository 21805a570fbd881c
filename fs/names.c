/* SPDX-License-Identifier: MIT */
/* fs/names.c - how messages are called in the mount. */
#include "fs/names.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define WHO_MAX  60 /* bytes of the name that the sender takes */
#define TAIL_MAX (sizeof ".u4294967295," - 1 + MAIL_FLAGS_LETTERS_MAX + sizeof ".eml")

static const char *const suffixes[] = {
    [FS_NAME_FULL] = ".eml",  [FS_NAME_TEXT] = ".txt", [FS_NAME_PARTS] = "",
    [FS_NAME_SHORT] = ".eml", [FS_NAME_UID] = ".eml",  [FS_NAME_UID_ONLY] = "",
};

typedef struct {
    char *text; /* not NUL-ended while being written */
    gsize len, max;
} Buffer;

/* The bytes that the word character at @p takes; 0 when it is none, and then *ret_skip to go on.
 * A mark is one only on top of another. */
static gsize word_width(const char *p, gboolean in_word, gsize *ret_skip)
{
    gunichar c;

    if ((guchar)*p < 0x80) {
        *ret_skip = 1;
        return g_ascii_isalnum(*p);
    }
    c = g_utf8_get_char(p);
    *ret_skip = (gsize)(g_utf8_next_char(p) - p);
    return g_unichar_isalnum(c) || (in_word && g_unichar_ismark(c)) ? *ret_skip : 0;
}

/* Appends the words of @text, runs of anything else as one @gap; cut at a character when @limit
 * bytes are full. */
static void append_words(Buffer *buffer, const char *text, char gap, gsize limit)
{
    gsize start = buffer->len, end = MIN(buffer->max, buffer->len + limit), skip;
    gboolean in_gap = FALSE;

    for (const char *p = text; *p; p += skip) {
        gsize width = word_width(p, buffer->len > start && !in_gap, &skip);

        if (!width) {
            in_gap = buffer->len > start;
            continue;
        }
        if (buffer->len + in_gap + width > end)
            return;
        if (in_gap)
            buffer->text[buffer->len++] = gap;
        in_gap = FALSE;
        for (gsize i = 0; i < width; i++)
            buffer->text[buffer->len++] = p[i];
    }
}

static void append(Buffer *buffer, const char *text)
{
    gsize len = MIN(strlen(text), buffer->max - buffer->len);

    memcpy(buffer->text + buffer->len, text, len);
    buffer->len += len;
}

/* The words of @text; FALSE when there are none. */
static gboolean append_field(Buffer *buffer, const char *text, FsNameStyle style, gsize limit)
{
    char gap = style == FS_NAMES_SPACED ? ' ' : '-';
    g_autofree char *composed = NULL;
    gsize before = buffer->len;

    if (!g_str_is_ascii(text))
        text = composed = g_utf8_normalize(text, -1, G_NORMALIZE_NFC);
    if (text)
        append_words(buffer, text, gap, limit);
    return buffer->len > before;
}

static void append_number(Buffer *buffer, guint number, guint n_digits)
{
    for (guint i = n_digits; i-- > 0; number /= 10)
        buffer->text[buffer->len + i] = (char)('0' + number % 10);
    buffer->len += n_digits;
}

/* A date beyond the years 1 to 9999 is as good as unknown. */
static void append_date(Buffer *buffer, gint64 date, FsNameStyle style)
{
    time_t seconds = date;
    struct tm time;

    if (!gmtime_r(&seconds, &time) || time.tm_year < 1 - 1900 || time.tm_year > 9999 - 1900) {
        seconds = 0;
        gmtime_r(&seconds, &time);
    }
    append_number(buffer, (guint)(time.tm_year + 1900), 4);
    append(buffer, "-");
    append_number(buffer, (guint)time.tm_mon + 1, 2);
    append(buffer, "-");
    append_number(buffer, (guint)time.tm_mday, 2);
    append(buffer, style == FS_NAMES_SPACED ? " " : "_");
    append_number(buffer, (guint)time.tm_hour, 2);
    append_number(buffer, (guint)time.tm_min, 2);
}

/* The local part, for who has no display name. */
static char *local_part(const char *address)
{
    return g_strndup(address, strcspn(address, "@"));
}

/* Of FS_NAME_FULL, _TEXT and _PARTS; returns its length. */
static gsize write_tail(FsNameForm form, const CacheMessage *message, char tail[TAIL_MAX])
{
    char letters[MAIL_FLAGS_LETTERS_MAX];

    if (form != FS_NAME_FULL)
        return (gsize)g_snprintf(tail, TAIL_MAX, ".u%u%s", message->uid, suffixes[form]);
    mail_flags_letters(message->flags, letters);
    return (gsize)g_snprintf(tail, TAIL_MAX, ".u%u,%s%s", message->uid, letters, suffixes[form]);
}

void fs_names_message(FsNameStyle style, FsNameForm form, const CacheMessage *message,
                      const MailEnvelope *envelope, gboolean by_recipient,
                      char name[FS_MESSAGE_NAME])
{
    MailEnvelopeField who = by_recipient ? MAIL_ENVELOPE_TO_NAME : MAIL_ENVELOPE_FROM_NAME;
    MailEnvelopeField address =
        by_recipient ? MAIL_ENVELOPE_TO_ADDRESS : MAIL_ENVELOPE_FROM_ADDRESS;
    g_autofree char *local = local_part(mail_envelope_get(envelope, address));
    const char *display = mail_envelope_get(envelope, who);
    char tail[TAIL_MAX];
    gsize tail_len = write_tail(form, message, tail);
    Buffer buffer = {.text = name, .max = FS_MESSAGE_NAME - 1 - tail_len};

    append_date(&buffer, message->date, style);
    append(&buffer, style == FS_NAMES_SPACED ? " " : "_");
    if (!append_field(&buffer, display, style, WHO_MAX) &&
        !append_field(&buffer, local, style, WHO_MAX))
        append(&buffer, "unknown");
    append(&buffer, style == FS_NAMES_SPACED ? " - " : "_");
    if (!append_field(&buffer, mail_envelope_get(envelope, MAIL_ENVELOPE_SUBJECT), style,
                      FS_MESSAGE_NAME))
        append(&buffer, style == FS_NAMES_SPACED ? "no subject" : "no-subject");
    memcpy(name + buffer.len, tail, tail_len + 1);
}

/* A UID that ends at @end and begins after @start; NULL or where its digits begin. */
static const char *parse_uid_before(const char *start, const char *end, guint32 *ret_uid)
{
    const char *digits = end;
    g_autofree char *text = NULL;
    guint64 uid;

    while (digits > start && g_ascii_isdigit(digits[-1]))
        digits--;
    if (digits == end || *digits == '0' || end - digits > 10)
        return NULL;
    text = g_strndup(digits, end - digits);
    uid = g_ascii_strtoull(text, NULL, 10);
    if (uid > G_MAXUINT32)
        return NULL;
    *ret_uid = (guint32)uid;
    return digits;
}

/* Where the ",FS" that ends at @end begins; NULL when there is none. */
static const char *letters_before(const char *start, const char *end)
{
    while (end > start && g_ascii_isalpha(end[-1]))
        end--;
    return end > start && end[-1] == ',' ? end - 1 : NULL;
}

/* Whether a name of @form has its UID @at. */
static gboolean is_place_of_uid(FsNameForm form, const char *name, gsize at)
{
    switch (form) {
    case FS_NAME_UID:
    case FS_NAME_UID_ONLY: return at == 0;
    case FS_NAME_SHORT: return at == 1 && name[0] == 'u';
    default: return at >= 3 && name[at - 2] == '.' && name[at - 1] == 'u';
    }
}

/* Whether the UID of a name of @form ends at @end. */
static gboolean parse_form_before(FsNameForm form, const char *name, const char *end,
                                  guint32 *ret_uid)
{
    guint32 uid;
    const char *digits = parse_uid_before(name, end, &uid);

    if (!digits || !is_place_of_uid(form, name, (gsize)(digits - name)))
        return FALSE;
    *ret_uid = uid;
    return TRUE;
}

gboolean fs_names_parse(const char *name, FsNameForm form, guint32 *ret_uid)
{
    const char *end;

    if (!g_str_has_suffix(name, suffixes[form]))
        return FALSE;
    end = name + strlen(name) - strlen(suffixes[form]);
    if (form == FS_NAME_FULL)
        end = letters_before(name, end);
    return end && parse_form_before(form, name, end, ret_uid);
}

/* Whether the comma of a Maildir name's ":2," is @at, and something before it. */
static gboolean is_maildir_comma(const char *name, gsize at)
{
    return at > strlen(":2") && strncmp(name + at - strlen(":2"), ":2", strlen(":2")) == 0;
}

void fs_names_given(const char *name, FsGivenName *ret_given)
{
    const char *end = name + strlen(name) - (g_str_has_suffix(name, ".eml") ? strlen(".eml") : 0);
    const char *comma = letters_before(name, end);

    *ret_given = (FsGivenName){.stem_len = strlen(name)};
    if (!comma)
        return;
    ret_given->has_uid = parse_form_before(FS_NAME_FULL, name, comma, &ret_given->uid);
    if (ret_given->has_uid)
        ret_given->stem_len = (gsize)(comma + strlen(",") - name);
    else if (is_maildir_comma(name, (gsize)(comma - name)))
        ret_given->stem_len = (gsize)(comma - strlen(":2") - name);
    else
        return;
    ret_given->has_flags =
        mail_flags_from_letters(comma + 1, (gsize)(end - comma - 1), &ret_given->flags);
}
