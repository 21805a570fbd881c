/* SPDX-License-Identifier: MIT */
/* mail/part.c - the MIME tree, in memory and as octets: there the parts come each before its
 * children, so that no nesting of theirs is one of the format. */
#include "mail/part.h"

#include <string.h>

#define TREE "(ayat)"

MailPart *mail_part_new(void)
{
    return g_new0(MailPart, 1);
}

void mail_part_free(MailPart *part)
{
    if (!part)
        return;
    g_free(part->type);
    g_free(part->subtype);
    g_free(part->charset);
    g_free(part->name);
    g_free(part->encoding);
    g_free(part->disposition);
    g_free(part->section);
    if (part->parts)
        g_ptr_array_unref(part->parts);
    g_free(part);
}

static void free_part(gpointer part)
{
    mail_part_free(part);
}

GPtrArray *mail_parts_new(void)
{
    return g_ptr_array_new_with_free_func(free_part);
}

/* --- kinds --- */

gboolean mail_part_is_multipart(const MailPart *part)
{
    return g_str_equal(part->type, "multipart");
}

gboolean mail_part_is_message(const MailPart *part)
{
    return part->parts && part->parts->len > 0 && !mail_part_is_multipart(part);
}

gboolean mail_part_is_converted(const MailPart *part)
{
    return g_str_equal(part->type, "text") && g_strcmp0(part->disposition, "attachment") != 0;
}

gboolean mail_part_can_be_measured(const MailPart *part)
{
    return !part->parts && !mail_part_is_multipart(part) && !mail_part_is_converted(part) &&
           g_strcmp0(part->encoding, "base64") == 0;
}

/* --- numbers --- */

static void number(MailPart *part, const char *section, guint *n_parts);

/* Those of a multipart whose section is @prefix. */
static void number_children(MailPart *part, const char *prefix, guint *n_parts)
{
    for (guint i = 0; i < part->parts->len; i++) {
        g_autofree char *section =
            *prefix ? g_strdup_printf("%s.%u", prefix, i + 1) : g_strdup_printf("%u", i + 1);

        if (strlen(section) > MAIL_SECTION_MAX) {
            g_ptr_array_set_size(part->parts, (gint)i);
            return;
        }
        number(part->parts->pdata[i], section, n_parts);
    }
}

/* The root of a message that is in the part @prefix, or in none. */
static void number_root(MailPart *root, const char *prefix, guint *n_parts)
{
    g_autofree char *section = mail_part_is_multipart(root) ? g_strdup(prefix)
                               : *prefix                    ? g_strconcat(prefix, ".1", NULL)
                                                            : g_strdup("1");

    number(root, section, n_parts);
}

static void number(MailPart *part, const char *section, guint *n_parts)
{
    g_free(part->section);
    part->section = g_strdup(section);
    part->nth = (*n_parts)++;
    if (mail_part_is_multipart(part) && part->parts)
        number_children(part, section, n_parts);
    else if (mail_part_is_message(part) && strlen(section) + 2 <= MAIL_SECTION_MAX)
        number_root(part->parts->pdata[0], section, n_parts);
    else
        g_clear_pointer(&part->parts, g_ptr_array_unref);
}

void mail_part_number(MailPart *root)
{
    guint n_parts = 0;

    number_root(root, "", &n_parts);
}

static MailPart *find(MailPart *part, gboolean (*is_it)(const MailPart *part, gconstpointer data),
                      gconstpointer data)
{
    MailPart *found = is_it(part, data) ? part : NULL;

    for (guint i = 0; !found && part->parts && i < part->parts->len; i++)
        found = find(part->parts->pdata[i], is_it, data);
    return found;
}

guint mail_part_child(const MailPart *part, guint nth)
{
    guint low = 0, high = part->parts->len;

    while (high - low > 1) {
        guint middle = low + (high - low) / 2;

        if (((const MailPart *)part->parts->pdata[middle])->nth <= nth)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static MailPart *towards(const MailPart *part, guint nth)
{
    return part->parts->pdata[mail_part_child(part, nth)];
}

MailPart *mail_part_nth(MailPart *root, guint nth)
{
    MailPart *part = root;

    while (part && part->nth != nth)
        part = part->parts && part->parts->len && part->nth < nth ? towards(part, nth) : NULL;
    return part;
}

/* The child of the multipart @part that @section is in, or is. */
static MailPart *towards_section(const MailPart *part, const char *section)
{
    gsize len = strlen(part->section);
    guint64 number;

    if (strncmp(section, part->section, len) != 0 || (len > 0 && section[len] != '.'))
        return NULL;
    number = g_ascii_strtoull(section + len + (len > 0), NULL, 10);
    return number > 0 && number <= part->parts->len ? part->parts->pdata[number - 1] : NULL;
}

MailPart *mail_part_of_section(MailPart *root, const char *section)
{
    MailPart *part = root;

    /* A multipart that is the root of a message in a part has that part's section, too. */
    while (part && !g_str_equal(part->section, section)) {
        if (!part->parts || !part->parts->len)
            return NULL;
        part =
            mail_part_is_multipart(part) ? towards_section(part, section) : part->parts->pdata[0];
    }
    return part;
}

static gboolean is_holder(const MailPart *part, gconstpointer data)
{
    return mail_part_is_message(part) && part->parts->pdata[0] == data;
}

MailPart *mail_part_holder(MailPart *root, const MailPart *part)
{
    return find(root, is_holder, part);
}

MailPart *mail_part_around(MailPart *root, const MailPart *part)
{
    MailPart *holder = NULL;

    for (MailPart *at = root; at != part; at = towards(at, part->nth))
        if (mail_part_is_message(at))
            holder = at;
    return holder;
}

/* --- octets --- */

enum {
    TYPE,
    SUBTYPE,
    CHARSET,
    NAME,
    ENCODING,
    DISPOSITION,
    N_TEXTS
};

enum {
    SIZE,
    HAS_OFFSETS,
    HEADER_OFF,
    BODY_OFF,
    MEASURE,
    LINE_LEN,
    EOL_LEN,
    N_CHARS,
    DECODED,
    N_PARTS, /* and 1; 0 where there is no array of them */
    N_NUMBERS
};

/* The fields of all parts, one part after the other. */
typedef struct {
    GByteArray *texts; /* each with a NUL behind it */
    GArray *numbers;   /* guint64 */
} Packed;

static void pack_text(Packed *packed, const char *text)
{
    g_autofree char *valid = NULL;

    if (!text)
        text = "";
    else if (!g_utf8_validate(text, -1, NULL))
        text = valid = g_utf8_make_valid(text, -1);
    g_byte_array_append(packed->texts, (const guint8 *)text, (guint)strlen(text) + 1);
}

static void pack(Packed *packed, const MailPart *part)
{
    const guint64 numbers[N_NUMBERS] = {
        [SIZE] = part->size,
        [HAS_OFFSETS] = part->has_offsets,
        [HEADER_OFF] = part->header_off,
        [BODY_OFF] = part->body_off,
        [MEASURE] = part->measure,
        [LINE_LEN] = part->base64.line_len,
        [EOL_LEN] = part->base64.eol_len,
        [N_CHARS] = part->base64.n_chars,
        [DECODED] = part->base64.size,
        [N_PARTS] = part->parts ? (guint64)part->parts->len + 1 : 0,
    };

    pack_text(packed, part->type);
    pack_text(packed, part->subtype);
    pack_text(packed, part->charset);
    pack_text(packed, part->name);
    pack_text(packed, part->encoding);
    pack_text(packed, part->disposition);
    g_array_append_vals(packed->numbers, numbers, N_NUMBERS);
    for (guint i = 0; part->parts && i < part->parts->len; i++)
        pack(packed, part->parts->pdata[i]);
}

GBytes *mail_part_to_bytes(const MailPart *part)
{
    g_autoptr(GByteArray) texts = g_byte_array_new();
    g_autoptr(GArray) numbers = g_array_new(FALSE, FALSE, sizeof(guint64));
    Packed packed = {texts, numbers};
    g_autoptr(GVariant) tree = NULL;

    pack(&packed, part);
    tree = g_variant_ref_sink(g_variant_new(
        "(@ay@at)", g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, texts->data, texts->len, 1),
        g_variant_new_fixed_array(G_VARIANT_TYPE_UINT64, numbers->data, numbers->len,
                                  sizeof(guint64))));
    return g_variant_get_data_as_bytes(tree);
}

/* The same fields to be read. */
typedef struct {
    const char *text, *end; /* of those that are left */
    const guint64 *numbers;
    gsize n_parts;
    gsize nth;
} Unpacking;

/* The next text, or NULL. */
static const char *next_text(Unpacking *packed)
{
    const char *text = packed->text;
    const char *nul = memchr(text, '\0', (gsize)(packed->end - text));

    if (!nul || !g_utf8_validate(text, nul - text, NULL))
        return NULL;
    packed->text = nul + 1;
    return text;
}

static char *unpack_text(const char *text)
{
    return *text ? g_strdup(text) : NULL;
}

static gboolean unpack_measure(MailPart *part, const guint64 *numbers)
{
    part->measure = (MailPartMeasure)numbers[MEASURE];
    part->base64 = (MailBase64){numbers[LINE_LEN], (guint)numbers[EOL_LEN], numbers[N_CHARS],
                                numbers[DECODED]};
    if (numbers[MEASURE] > MAIL_PART_IRREGULAR || numbers[EOL_LEN] > 2)
        return FALSE;
    return part->measure != MAIL_PART_REGULAR ||
           (numbers[LINE_LEN] > 0 && numbers[LINE_LEN] % 4 == 0 &&
            numbers[DECODED] <= numbers[N_CHARS]);
}

/* The fields of the next part alone; FALSE when they are none. */
static gboolean unpack_fields(Unpacking *packed, MailPart *part)
{
    const guint64 *numbers = packed->numbers + packed->nth++ * N_NUMBERS;
    const char *texts[N_TEXTS];

    for (guint i = 0; i < N_TEXTS; i++)
        if (!(texts[i] = next_text(packed)))
            return FALSE;
    part->type = g_strdup(texts[TYPE]);
    part->subtype = g_strdup(texts[SUBTYPE]);
    part->charset = unpack_text(texts[CHARSET]);
    part->name = unpack_text(texts[NAME]);
    part->encoding = unpack_text(texts[ENCODING]);
    part->disposition = unpack_text(texts[DISPOSITION]);
    part->size = numbers[SIZE];
    part->has_offsets = numbers[HAS_OFFSETS] != 0;
    part->header_off = numbers[HEADER_OFF];
    part->body_off = numbers[BODY_OFF];
    return unpack_measure(part, numbers);
}

/* The next part and those behind it that belong to it. */
static MailPart *unpack(Unpacking *packed, guint depth)
{
    g_autoptr(MailPart) part = mail_part_new();
    const guint64 *numbers = packed->numbers + packed->nth * N_NUMBERS;

    if (depth >= MAIL_PART_DEPTH_MAX || packed->nth >= packed->n_parts ||
        !unpack_fields(packed, part))
        return NULL;
    if (numbers[N_PARTS])
        part->parts = mail_parts_new();
    for (guint64 i = 1; i < numbers[N_PARTS]; i++) {
        MailPart *child = unpack(packed, depth + 1);

        if (!child)
            return NULL;
        g_ptr_array_add(part->parts, child);
    }
    return g_steal_pointer(&part);
}

MailPart *mail_part_from_bytes(GBytes *bytes)
{
    g_autoptr(GVariant) tree =
        g_variant_ref_sink(g_variant_new_from_bytes(G_VARIANT_TYPE(TREE), bytes, FALSE));
    g_autoptr(GVariant) texts = NULL, numbers = NULL;
    g_autoptr(MailPart) part = NULL;
    Unpacking packed = {0};
    gsize n_octets, n_numbers;

    if (!g_variant_is_normal_form(tree))
        return NULL;
    texts = g_variant_get_child_value(tree, 0);
    numbers = g_variant_get_child_value(tree, 1);
    packed.text = g_variant_get_fixed_array(texts, &n_octets, 1);
    packed.numbers = g_variant_get_fixed_array(numbers, &n_numbers, sizeof(guint64));
    packed.n_parts = n_numbers / N_NUMBERS;
    if (!n_octets || packed.n_parts > MAIL_PARTS_MAX || n_numbers != packed.n_parts * N_NUMBERS)
        return NULL;
    packed.end = packed.text + n_octets;
    part = unpack(&packed, 0);
    if (!part || packed.nth != packed.n_parts || packed.text != packed.end)
        return NULL;
    mail_part_number(part);
    return g_steal_pointer(&part);
}
