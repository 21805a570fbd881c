/* SPDX-License-Identifier: MIT */
/* mime/envelope.c - a header to what the message says of itself, as a server's ENVELOPE would tell
 * it, and that as lines. */
#include <gmime/gmime.h>
#include <string.h>

#include "mime/private.h"

#define GROUPS_MAX    100
#define ADDRESSES_MAX 1000
/* Octets of a field that are looked at: more than any field will show. */
#define FIELD_MAX ((gsize)16 * 1024)

typedef enum {
    HEADER_FROM,
    HEADER_TO,
    HEADER_CC,
    HEADER_SUBJECT,
    HEADER_DATE,
    HEADER_MESSAGE_ID,
    N_HEADERS
} Header;

static const char *const names[N_HEADERS] = {
    [HEADER_FROM] = "From",       [HEADER_TO] = "To",     [HEADER_CC] = "Cc",
    [HEADER_SUBJECT] = "Subject", [HEADER_DATE] = "Date", [HEADER_MESSAGE_ID] = "Message-ID",
};

/* The value of a field in the header, folds and all. */
typedef struct {
    const char *bytes; /* NULL: absent */
    gsize len;
} Value;

/* --- fields --- */

/* Octets of the line, with its end. */
static gsize line_len(const char *at, const char *end)
{
    const char *lf = memchr(at, '\n', (gsize)(end - at));

    return (gsize)(lf ? lf + 1 - at : end - at);
}

/* Octets of the field at @at: its line and those that are folded behind it. */
static gsize field_len(const char *at, const char *end)
{
    gsize len = line_len(at, end);

    while (at + len < end && (at[len] == ' ' || at[len] == '\t'))
        len += line_len(at + len, end);
    return len;
}

static gboolean is_empty_line(const char *at, gsize len)
{
    return *at == '\n' || (len >= 2 && at[0] == '\r' && at[1] == '\n');
}

/* Of fields that stand there twice the first counts. */
static void read_field(const char *field, gsize len, Value *values)
{
    const char *colon = memchr(field, ':', len);
    gsize n_name = colon ? (gsize)(colon - field) : 0;

    while (n_name > 0 && g_ascii_isspace(field[n_name - 1]))
        n_name--;
    for (guint i = 0; colon && i < N_HEADERS; i++)
        if (!values[i].bytes && strlen(names[i]) == n_name &&
            g_ascii_strncasecmp(field, names[i], n_name) == 0)
            values[i] = (Value){colon + 1, MIN((gsize)(field + len - colon - 1), FIELD_MAX)};
}

static void read_fields(const char *at, gsize len, Value *values)
{
    const char *end = at + len;

    for (gsize n; at < end && !is_empty_line(at, (gsize)(end - at)); at += n) {
        n = field_len(at, end);
        read_field(at, n, values);
    }
}

/* --- values --- */

static char *dup_decoded(const Value *value)
{
    return g_strstrip(mime_header_decode(value->bytes, value->len));
}

static char *dup_unfolded(const Value *value)
{
    char *text = g_malloc(value->len + 1);
    gsize n = 0;

    for (gsize i = 0; i < value->len; i++)
        if (value->bytes[i] != '\r' && value->bytes[i] != '\n')
            text[n++] = value->bytes[i] ? value->bytes[i] : ' ';
    text[n] = '\0';
    return text;
}

static char *dup_raw(const Value *value)
{
    g_autofree char *text = dup_unfolded(value);

    return g_strstrip(mime_text_clean(text, strlen(text)));
}

/* In quotes where the header must have had them, so that no name looks like an address. */
static void append_name(GString *field, const char *name)
{
    if (!strpbrk(name, "()<>[]:;@\\,\"")) {
        g_string_append(field, name);
        return;
    }
    g_string_append_c(field, '"');
    for (; *name; name++) {
        if (*name == '"' || *name == '\\')
            g_string_append_c(field, '\\');
        g_string_append_c(field, *name);
    }
    g_string_append_c(field, '"');
}

void mime_address_append(GString *field, const char *name, const char *address)
{
    if (field->len > 0)
        g_string_append(field, ", ");
    append_name(field, name);
    if (*name && *address)
        g_string_append_printf(field, " <%s>", address);
    else
        g_string_append(field, address);
}

/* The people of a field. */
typedef struct {
    GString *text;        /* all of them */
    char *name, *address; /* of the first; NULL where there is none */
    guint n_addresses;
} People;

static void people_clear(People *people)
{
    if (people->text)
        g_string_free(people->text, TRUE);
    g_free(people->name);
    g_free(people->address);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(People, people_clear)

/* Takes both. */
static void add_person(People *people, char *name, char *address)
{
    if (*name || *address)
        mime_address_append(people->text, name, address);
    if ((*name || *address) && !people->name) {
        people->name = name;
        people->address = address;
        return;
    }
    g_free(name);
    g_free(address);
}

/* GMime would decode names, and ask iconv for whatever charset they say.  Without question marks it
 * finds no encoded words, not even where quotes are taken off: "{q" stands for one, "{{" for "{".
 */
static char *dup_hidden(const char *text)
{
    GString *hidden = g_string_new(NULL);

    for (; *text; text++) {
        if (*text == '?' || *text == '{')
            g_string_append_c(hidden, '{');
        g_string_append_c(hidden, *text == '?' ? 'q' : *text);
    }
    return g_string_free(hidden, FALSE);
}

/* NULL makes an empty text. */
static char *dup_shown(const char *hidden)
{
    GString *text = g_string_new(NULL);

    for (; hidden && *hidden; hidden++) {
        gboolean is_mark = g_str_has_prefix(hidden, "{q");

        hidden += is_mark || g_str_has_prefix(hidden, "{{");
        g_string_append_c(text, is_mark ? '?' : *hidden);
    }
    return g_string_free(text, FALSE);
}

/* Decoded when the list has been taken apart, so that what is in encoded words does not change it.
 */
static char *dup_name(InternetAddress *address)
{
    g_autofree char *shown = dup_shown(internet_address_get_name(address));
    g_autofree char *name = g_strstrip(mime_words_decode(shown));

    return mime_text_clean(name, strlen(name));
}

/* Servers tell a local part without its quotes. */
static char *dup_address(InternetAddressMailbox *mailbox)
{
    g_autofree char *shown = dup_shown(internet_address_mailbox_get_addr(mailbox));

    g_mime_utils_unquote_string(shown);
    return mime_text_clean(shown, strlen(shown));
}

static void add_list(People *people, InternetAddressList *list)
{
    int n = internet_address_list_length(list);

    for (int i = 0; i < n && people->n_addresses++ < ADDRESSES_MAX &&
                    people->text->len <= MAIL_ENVELOPE_FIELD_MAX;
         i++) {
        InternetAddress *address = internet_address_list_get_address(list, i);

        if (INTERNET_ADDRESS_IS_GROUP(address))
            add_list(people, internet_address_group_get_members(INTERNET_ADDRESS_GROUP(address)));
        else
            add_person(people, dup_name(address), dup_address(INTERNET_ADDRESS_MAILBOX(address)));
    }
}

/* GMime reads groups in groups, each of which takes room on the stack. */
static gboolean is_too_deep(const char *text)
{
    guint depth = 0;

    for (; *text && depth <= GROUPS_MAX; text++) {
        depth += *text == ':';
        depth -= *text == ';' && depth > 0;
    }
    return depth > GROUPS_MAX;
}

/* What is no list of addresses is shown like a name, so that nothing is hidden. */
static People read_people(const Value *value)
{
    People people = {.text = g_string_new(NULL)};
    g_autofree char *raw = dup_unfolded(value);
    g_autofree char *hidden = dup_hidden(raw);
    InternetAddressList *list =
        is_too_deep(hidden) ? NULL : internet_address_list_parse(NULL, hidden);

    if (list)
        add_list(&people, list);
    else
        add_person(&people, dup_decoded(value), g_strdup(""));
    g_clear_object(&list);
    return people;
}

MailEnvelope *mime_envelope_parse(const guint8 *bytes, gsize len)
{
    Value values[N_HEADERS] = {{NULL, 0}};
    g_auto(People) from = {0}, to = {0}, cc = {0};
    g_autofree char *subject = NULL, *date = NULL, *message_id = NULL;

    read_fields((const char *)bytes, MIN(len, MIME_HEADER_MAX), values);
    from = read_people(&values[HEADER_FROM]);
    to = read_people(&values[HEADER_TO]);
    cc = read_people(&values[HEADER_CC]);
    subject = dup_decoded(&values[HEADER_SUBJECT]);
    date = dup_raw(&values[HEADER_DATE]);
    message_id = dup_raw(&values[HEADER_MESSAGE_ID]);
    return mail_envelope_new((const char *const[MAIL_ENVELOPE_N_FIELDS]){
        [MAIL_ENVELOPE_FROM_NAME] = from.name,
        [MAIL_ENVELOPE_FROM_ADDRESS] = from.address,
        [MAIL_ENVELOPE_TO_NAME] = to.name,
        [MAIL_ENVELOPE_TO_ADDRESS] = to.address,
        [MAIL_ENVELOPE_FROM] = from.text->str,
        [MAIL_ENVELOPE_TO] = to.text->str,
        [MAIL_ENVELOPE_CC] = cc.text->str,
        [MAIL_ENVELOPE_SUBJECT] = subject,
        [MAIL_ENVELOPE_MESSAGE_ID] = message_id,
        [MAIL_ENVELOPE_DATE] = date,
    });
}

/* --- lines --- */

void mime_envelope_print(const MailEnvelope *envelope, GByteArray *out)
{
    static const struct {
        Header header;
        MailEnvelopeField field;
    } lines[] = {
        {HEADER_FROM, MAIL_ENVELOPE_FROM},       {HEADER_TO, MAIL_ENVELOPE_TO},
        {HEADER_CC, MAIL_ENVELOPE_CC},           {HEADER_DATE, MAIL_ENVELOPE_DATE},
        {HEADER_SUBJECT, MAIL_ENVELOPE_SUBJECT},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++) {
        const char *value = mail_envelope_get(envelope, lines[i].field);
        g_autofree char *line = g_strdup_printf("%s: %s", names[lines[i].header], value);
        gsize len = strlen(line);

        if (!*value)
            continue;
        mime_blank_controls(line, len);
        g_byte_array_append(out, (const guint8 *)line, (guint)len);
        g_byte_array_append(out, (const guint8 *)"\n", 1);
    }
}
