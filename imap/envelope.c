/* SPDX-License-Identifier: MIT */
/* imap/envelope.c - an ENVELOPE to a MailEnvelope (RFC 9051 7.5.2). */
#include "imap/fetch-items.h"

#include "mime/mime.h"

#define ADDRESSES_MAX 1000
/* More of an address or a date than any field will show. */
#define RAW_MAX ((gsize)4 * MAIL_ENVELOPE_FIELD_MAX)

/* An address as it is shown: no part is NULL. */
typedef struct {
    char *name;
    char *address;
} Person;

static void person_clear(Person *person)
{
    g_free(person->name);
    g_free(person->address);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Person, person_clear)

static gboolean is_string(const ImapValue *value)
{
    return value && (value->type == IMAP_VALUE_STRING || value->type == IMAP_VALUE_ATOM);
}

static gboolean is_nil(const ImapValue *value)
{
    return value && value->type == IMAP_VALUE_NIL;
}

static char *dup_decoded(const ImapValue *value)
{
    return is_string(value) ? mime_header_decode(value->bytes, value->len) : g_strdup("");
}

static char *dup_raw(const ImapValue *value)
{
    return is_string(value) ? mime_text_clean(value->bytes, MIN(value->len, RAW_MAX))
                            : g_strdup("");
}

/* NIL, "" or what servers write where a header has no domain or no local part. */
static gboolean is_missing(const ImapValue *value)
{
    static const char *const marks[] = {"",
                                        "MISSING_DOMAIN",
                                        "MISSING_MAILBOX",
                                        ".MISSING-HOST-NAME.",
                                        ".SYNTAX-ERROR.",
                                        "unspecified-domain"};
    const char *text = imap_value_text(value);

    for (gsize i = 0; text && i < G_N_ELEMENTS(marks); i++)
        if (g_str_equal(text, marks[i]))
            return TRUE;
    return !text;
}

static char *dup_address(const ImapValue *mailbox, const ImapValue *host)
{
    g_autofree char *local = NULL, *domain = NULL;

    if (is_missing(mailbox))
        return g_strdup("");
    local = dup_raw(mailbox);
    if (is_missing(host))
        return g_steal_pointer(&local);
    domain = dup_raw(host);
    return g_strconcat(local, "@", domain, NULL);
}

/* The four parts of an address: name, route, mailbox, host. */
static gboolean is_group_end(const ImapValue *address)
{
    return is_nil(imap_value_nth(address, 0)) && is_nil(imap_value_nth(address, 2)) &&
           is_nil(imap_value_nth(address, 3));
}

/* A mailbox without a host begins a group only where a group ends later; else the header named no
 * domain. */
static gboolean is_group_start(const ImapValue *address, guint n_ends)
{
    return n_ends > 0 && is_nil(imap_value_nth(address, 0)) &&
           is_string(imap_value_nth(address, 2)) && is_nil(imap_value_nth(address, 3));
}

static guint count_group_ends(const ImapValue *list)
{
    const ImapValue *address = imap_value_nth(list, 0);
    guint n_ends = 0;

    for (guint n = 0; address && n < ADDRESSES_MAX; n++, address = address->next)
        n_ends += is_group_end(address);
    return n_ends;
}

static Person read_person(const ImapValue *address)
{
    return (Person){
        .name = dup_decoded(imap_value_nth(address, 0)),
        .address = dup_address(imap_value_nth(address, 2), imap_value_nth(address, 3)),
    };
}

/* All people of a field as one text, and the first of them where @ret_first is given. */
static char *read_people(const ImapValue *list, Person *ret_first)
{
    GString *text = g_string_new(NULL);
    const ImapValue *address = imap_value_nth(list, 0);
    guint n_ends = count_group_ends(list);

    for (guint n = 0; address && n < ADDRESSES_MAX && text->len <= MAIL_ENVELOPE_FIELD_MAX;
         n++, address = address->next) {
        g_auto(Person) person = {0};

        if (is_group_end(address))
            n_ends--;
        else if (!is_group_start(address, n_ends))
            person = read_person(address);
        if (!person.name || (!*person.name && !*person.address))
            continue;
        mime_address_append(text, person.name, person.address);
        if (ret_first && !ret_first->name)
            *ret_first = (Person){g_steal_pointer(&person.name), g_steal_pointer(&person.address)};
    }
    return g_string_free(text, FALSE);
}

/* The places in the list: date subject from sender reply-to to cc bcc in-reply-to message-id. */
MailEnvelope *imap_envelope_parse(const ImapValue *list)
{
    g_auto(Person) author = {0}, recipient = {0};
    g_autofree char *date = dup_raw(imap_value_nth(list, 0));
    g_autofree char *subject = dup_decoded(imap_value_nth(list, 1));
    g_autofree char *from = read_people(imap_value_nth(list, 2), &author);
    g_autofree char *to = read_people(imap_value_nth(list, 5), &recipient);
    g_autofree char *cc = read_people(imap_value_nth(list, 6), NULL);
    g_autofree char *message_id = dup_raw(imap_value_nth(list, 9));
    const char *const fields[MAIL_ENVELOPE_N_FIELDS] = {
        [MAIL_ENVELOPE_FROM_NAME] = author.name,
        [MAIL_ENVELOPE_FROM_ADDRESS] = author.address,
        [MAIL_ENVELOPE_TO_NAME] = recipient.name,
        [MAIL_ENVELOPE_TO_ADDRESS] = recipient.address,
        [MAIL_ENVELOPE_FROM] = from,
        [MAIL_ENVELOPE_TO] = to,
        [MAIL_ENVELOPE_CC] = cc,
        [MAIL_ENVELOPE_SUBJECT] = subject,
        [MAIL_ENVELOPE_MESSAGE_ID] = message_id,
        [MAIL_ENVELOPE_DATE] = date,
    };

    return mail_envelope_new(fields);
}
