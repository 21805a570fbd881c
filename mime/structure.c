/* SPDX-License-Identifier: MIT */
/* mime/structure.c - a message to the tree of its parts, and where they lie in it (RFC 2046).
 *
 * One pass over its lines.  Open parts are a stack: each but the last one is a multipart, or holds
 * a whole message.  What is wrong is read as Dovecot does, so that the tree is its BODYSTRUCTURE's.
 */
#include <string.h>

#include "mime/private.h"
#include "mime/source.h"

#define BOUNDARY_MAX 80 /* of longer ones this much counts; RFC 2046 allows 70 */
#define FIELD_MAX    ((gsize)64 * 1024)

/* What the header says of the content. */
typedef struct {
    gboolean is_mime; /* otherwise nothing else counts */
    gboolean has_type;
    char *type, *subtype, *encoding, *disposition;
    MimeParams *type_params, *disposition_params;
    guint n_disposition_params;
} Content;

typedef struct {
    MailPart *part;
    char *boundary; /* of a multipart that may have more parts; or NULL */
    gsize boundary_len;
} Level;

typedef struct {
    MailPart *root;
    Level levels[MAIL_PART_DEPTH_MAX];
    guint n_levels, n_parts;
    gboolean is_in_header; /* of the last level's part */
    GString *field;        /* the one that is being read */
    Content content;
    guint eol_len; /* of the line before, where it would go to a delimiter */
} Walk;

/* --- what a header says --- */

static void clear_content(Content *content)
{
    g_free(content->type);
    g_free(content->subtype);
    g_free(content->encoding);
    g_free(content->disposition);
    g_clear_pointer(&content->type_params, mime_params_free);
    g_clear_pointer(&content->disposition_params, mime_params_free);
    *content = (Content){0};
}

static char *read_lower(const char **at, const char *end)
{
    g_autofree char *word = mime_word_read(at, end);

    return mime_token_dup(word);
}

/* One that is wrong says nothing (RFC 2045 5.2). */
static void take_type(Content *content, const char *at, const char *end)
{
    g_autofree char *type = read_lower(&at, end), *subtype = NULL;

    content->is_mime = TRUE;
    if (content->has_type)
        return;
    content->has_type = TRUE;
    if (at == end || *at != '/')
        return;
    at++;
    subtype = read_lower(&at, end);
    if (!*type || !*subtype || (at < end && *at != ';'))
        return;
    content->type = g_steal_pointer(&type);
    content->subtype = g_steal_pointer(&subtype);
    content->type_params = mime_params_new();
    mime_params_read(content->type_params, at, (gsize)(end - at));
}

static void take_encoding(Content *content, const char *at, const char *end)
{
    g_autofree char *word = read_lower(&at, end);

    if (!content->encoding && *word && at == end)
        content->encoding = g_steal_pointer(&word);
}

/* The first one that has parameters, or the last one. */
static void take_disposition(Content *content, const char *at, const char *end)
{
    if (content->n_disposition_params > 0)
        return;
    g_free(content->disposition);
    content->disposition = read_lower(&at, end);
    if (!content->disposition_params)
        content->disposition_params = mime_params_new();
    content->n_disposition_params =
        mime_params_read(content->disposition_params, at, (gsize)(end - at));
}

static void take_version(Content *content, const char *at, const char *end)
{
    content->is_mime = TRUE;
}

static void take_field(Content *content, const char *field, gsize len)
{
    static const struct {
        const char *name;
        void (*take)(Content *content, const char *at, const char *end);
    } fields[] = {
        {"MIME-Version", take_version},
        {"Content-Type", take_type},
        {"Content-Transfer-Encoding", take_encoding},
        {"Content-Disposition", take_disposition},
    };
    const char *colon = memchr(field, ':', len), *end = colon;

    if (!colon)
        return;
    while (end > field && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    for (gsize i = 0; i < G_N_ELEMENTS(fields); i++)
        if (strlen(fields[i].name) == (gsize)(end - field) &&
            g_ascii_strncasecmp(fields[i].name, field, (gsize)(end - field)) == 0)
            fields[i].take(content, colon + 1, field + len);
}

/* --- parts --- */

static Level *get_level(Walk *walk)
{
    return &walk->levels[walk->n_levels - 1];
}

static gboolean is_digest(const MailPart *part)
{
    return g_str_equal(part->type, "multipart") && g_str_equal(part->subtype, "digest");
}

static void begin_part(Walk *walk, guint64 off)
{
    MailPart *part = mail_part_new(), *parent = walk->n_levels ? get_level(walk)->part : NULL;

    part->header_off = off;
    if (parent && !parent->parts)
        parent->parts = mail_parts_new();
    if (parent)
        g_ptr_array_add(parent->parts, part);
    else
        walk->root = part;
    walk->levels[walk->n_levels++] = (Level){.part = part};
    walk->n_parts++;
    clear_content(&walk->content);
    walk->content.is_mime = parent && mail_part_is_multipart(parent);
    walk->is_in_header = TRUE;
}

static void describe(MailPart *part, Content *content, gboolean is_in_digest)
{
    const MimeParams *of_disposition = content->disposition_params, *of_type = content->type_params;

    is_in_digest = is_in_digest && !content->has_type;
    part->type = content->type ? g_steal_pointer(&content->type)
                               : g_strdup(is_in_digest ? "message" : "text");
    part->subtype = content->subtype ? g_steal_pointer(&content->subtype)
                                     : g_strdup(is_in_digest ? "rfc822" : "plain");
    part->encoding = content->encoding && !mail_part_is_multipart(part)
                         ? g_steal_pointer(&content->encoding)
                         : g_strdup("7bit");
    part->disposition = g_steal_pointer(&content->disposition);
    part->name = of_disposition ? mime_params_dup_text(of_disposition, "filename") : NULL;
    if (!part->name && of_type)
        part->name = mime_params_dup_text(of_type, "name");
    if (of_type && g_str_equal(part->type, "text"))
        part->charset = mime_params_dup_charset(of_type);
}

/* One that is encoded is for its reader to decode first. */
static gboolean is_open_message(const MailPart *part)
{
    return g_str_equal(part->type, "message") &&
           (g_str_equal(part->subtype, "rfc822") || g_str_equal(part->subtype, "global")) &&
           mime_encoding_is_identity(part->encoding);
}

static gboolean can_nest(const Walk *walk)
{
    return walk->n_levels < MAIL_PART_DEPTH_MAX && walk->n_parts < MAIL_PARTS_MAX;
}

static void open_multipart(Level *level, const MimeParams *params)
{
    level->boundary = params ? mime_params_dup_raw(params, "boundary") : NULL;
    level->boundary_len = level->boundary ? MIN(strlen(level->boundary), BOUNDARY_MAX) : 0;
}

/* What would nest too deep is not looked into. */
static void close_content(MailPart *part)
{
    if (!mail_part_is_multipart(part))
        return;
    g_free(part->type);
    g_free(part->subtype);
    part->type = g_strdup("application");
    part->subtype = g_strdup("octet-stream");
}

static void end_header(Walk *walk, guint64 off)
{
    Level *level = get_level(walk);
    const MailPart *parent = walk->n_levels > 1 ? level[-1].part : NULL;

    take_field(&walk->content, walk->field->str, walk->field->len);
    g_string_truncate(walk->field, 0);
    if (!walk->content.is_mime)
        clear_content(&walk->content);
    describe(level->part, &walk->content, parent && is_digest(parent));
    level->part->body_off = off;
    walk->is_in_header = FALSE;
    if (can_nest(walk) && mail_part_is_multipart(level->part))
        open_multipart(level, walk->content.type_params);
    else if (can_nest(walk) && is_open_message(level->part))
        begin_part(walk, off);
    else
        close_content(level->part);
}

/* What stands for the parts of a multipart without any (RFC 9051 9, body-type-mpart). */
static void add_empty_part(Walk *walk, guint64 off)
{
    begin_part(walk, off);
    walk->content.has_type = TRUE; /* also in a digest */
    end_header(walk, off);
    get_level(walk)->part->has_offsets = TRUE;
    walk->n_levels--;
}

static void end_part(Walk *walk, guint64 off)
{
    Level *level = get_level(walk);
    MailPart *part = level->part;

    part->has_offsets = TRUE;
    part->header_off = MIN(part->header_off, off); /* an empty line may be the delimiter's */
    part->body_off = MIN(part->body_off, off);
    part->size = off - part->body_off;
    if (mail_part_is_multipart(part) && !part->parts)
        add_empty_part(walk, off);
    g_clear_pointer(&level->boundary, g_free);
    walk->n_levels--;
}

/* Ends all parts but the outermost @n_levels, at @off.  Where that is in a header or just behind
 * it, the parts around that one get the line end that follows, up to @next. */
static void end_parts(Walk *walk, guint n_levels, guint64 off, guint64 next)
{
    gboolean is_cut = walk->is_in_header || get_level(walk)->part->body_off > off;
    guint n_around = walk->n_levels - 1;

    while (walk->is_in_header)
        end_header(walk, off);
    while (walk->n_levels > n_levels) {
        gboolean is_around = walk->n_levels <= n_around && get_level(walk)->part->body_off <= off;

        end_part(walk, is_cut && is_around ? next : off);
    }
}

/* --- lines --- */

static gboolean is_whole(const Level *level, const char *text, gsize len)
{
    return level->boundary_len == len ||
           (level->boundary_len + 2 == len && memcmp(text + len - 2, "--", 2) == 0);
}

/* The level that stays open when the line is one of its delimiters, counted from 1; 0: it is none.
 * The line need only begin as a delimiter does; so the longest one counts. */
static guint find_delimited(const Walk *walk, const MimeLine *line)
{
    const Level *best = NULL;
    const char *text;
    gsize len;

    if (line->len < 2 || memcmp(line->bytes, "--", 2) != 0 || walk->n_parts >= MAIL_PARTS_MAX)
        return 0;
    text = line->bytes + 2;
    len = line->len - 2;
    for (guint n = walk->n_levels; n > 0 && !(best && is_whole(best, text, len)); n--) {
        const Level *level = &walk->levels[n - 1];

        if (level->boundary && level->boundary_len <= len &&
            (!best || level->boundary_len > best->boundary_len) &&
            memcmp(level->boundary, text, level->boundary_len) == 0)
            best = level;
    }
    return best ? (guint)(best - walk->levels) + 1 : 0;
}

static void take_delimiter(Walk *walk, const MimeLine *line, guint n_levels)
{
    Level *level = &walk->levels[n_levels - 1];
    gsize len = 2 + level->boundary_len;

    end_parts(walk, n_levels, line->off - walk->eol_len, line->off);
    if (line->len >= len + 2 && memcmp(line->bytes + len, "--", 2) == 0)
        g_clear_pointer(&level->boundary, g_free);
    else if (line->eol_len > 0 && walk->n_parts < MAIL_PARTS_MAX)
        begin_part(walk, line->end);
}

static void take_header_line(Walk *walk, const MimeLine *line)
{
    gboolean is_more = line->len > 0 && (line->bytes[0] == ' ' || line->bytes[0] == '\t');
    GString *field = walk->field;
    gsize before;

    if (line->len == 0) {
        end_header(walk, line->end);
        return;
    }
    if (line->off - get_level(walk)->part->header_off > MIME_HEADER_MAX)
        return;
    if (!is_more) {
        take_field(&walk->content, field->str, field->len);
        g_string_truncate(field, 0);
    } else if (field->len > 0) {
        g_string_append(field, "\r\n");
    }
    before = field->len;
    g_string_append_len(field, line->bytes,
                        (gssize)MIN(line->len, FIELD_MAX - MIN(field->len, FIELD_MAX)));
    /* A NUL would end the text for everybody else. */
    for (gsize i = before; i < field->len; i++)
        if (!field->str[i])
            field->str[i] = ' ';
}

static void take_line(Walk *walk, const MimeLine *line)
{
    guint n_levels = find_delimited(walk, line);

    if (n_levels)
        take_delimiter(walk, line, n_levels);
    else if (walk->is_in_header)
        take_header_line(walk, line);
    walk->eol_len = n_levels ? 0 : line->eol_len;
}

MailPart *mime_structure_parse(guint64 size, MimeReadFunc read, gpointer data)
{
    g_autoptr(MimeSource) source = mime_source_new(size, read, data);
    g_autoptr(GString) field = g_string_new(NULL);
    Walk walk = {.field = field};
    MimeLine line;

    begin_part(&walk, 0);
    while (mime_source_next(source, &line))
        take_line(&walk, &line);
    end_parts(&walk, 0, mime_source_tell(source), mime_source_tell(source));
    clear_content(&walk.content);
    return walk.root;
}
