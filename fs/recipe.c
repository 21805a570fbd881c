/* SPDX-License-Identifier: MIT */
/* fs/recipe.c - of what the text of a message, and the file of a part, are made. */
#include "fs/recipe.h"

#include <string.h>

#include "fs/maker.h"
#include "fs/names.h"

#define FILE_SUFFIX ".file"

char *fs_section_file(const MailPart *part)
{
    return g_strconcat(part->section, FILE_SUFFIX, NULL);
}

static void ingredient_clear(gpointer data)
{
    g_free(((FsIngredient *)data)->section);
}

static FsRecipe *recipe_new(void)
{
    FsRecipe *recipe = g_new0(FsRecipe, 1);

    recipe->before = g_byte_array_new();
    recipe->after = g_byte_array_new();
    recipe->ingredients = g_array_new(FALSE, FALSE, sizeof(FsIngredient));
    g_array_set_clear_func(recipe->ingredients, ingredient_clear);
    return recipe;
}

void fs_recipe_free(FsRecipe *recipe)
{
    if (!recipe)
        return;
    g_byte_array_unref(recipe->before);
    g_byte_array_unref(recipe->after);
    g_array_unref(recipe->ingredients);
    g_free(recipe);
}

static void add_part(FsRecipe *recipe, const MailPart *part, MimeForm form)
{
    FsIngredient ingredient = {g_strdup(part->section), FALSE, part->nth, form};

    g_array_append_val(recipe->ingredients, ingredient);
}

/* --- texts --- */

static char *header_section(const MailPart *holder)
{
    return g_strconcat(holder->section, ".HEADER", NULL);
}

static void add_header(FsRecipe *recipe, const MailPart *holder)
{
    FsIngredient ingredient = {header_section(holder), TRUE, 0, 0};

    g_array_append_val(recipe->ingredients, ingredient);
}

/* Where it is in parts/: "2-photo.jpg", "3-message/3.2-notes.pdf". */
static char *attachment_path(MailPart *root, const MailPart *part)
{
    char *path = fs_part_name(part);

    for (part = mail_part_around(root, part); part; part = mail_part_around(root, part)) {
        g_autofree char *name = fs_part_name(part), *below = path;

        path = g_strconcat(name, "/", below, NULL);
    }
    return path;
}

static void add_attachment(FsRecipe *recipe, MailPart *root, const MailPart *part)
{
    g_autofree char *path = attachment_path(root, part);
    g_autofree char *line =
        g_strdup_printf("Attachment: %s (%s/%s)\n", path, part->type, part->subtype);

    g_byte_array_append(recipe->after, (const guint8 *)line, (guint)strlen(line));
}

static FsRecipe *text_recipe(MailPart *root, const MailEnvelope *envelope)
{
    FsRecipe *recipe = recipe_new();
    g_autoptr(GArray) plan = mime_plan(root);

    recipe->is_spaced = TRUE;
    if (envelope)
        mime_envelope_print(envelope, recipe->before);
    for (guint i = 0; i < plan->len; i++) {
        const MimePiece *piece = &g_array_index(plan, MimePiece, i);

        switch (piece->show) {
        case MIME_SHOW_TEXT: add_part(recipe, piece->part, MIME_TEXT); break;
        case MIME_SHOW_HEADER: add_header(recipe, piece->part); break;
        case MIME_SHOW_ATTACHMENT: add_attachment(recipe, root, piece->part); break;
        }
    }
    return recipe;
}

/* --- files of parts --- */

/* Of which part @section is the file, or NULL. */
static const MailPart *part_of_file(const char *section, MailPart *root)
{
    g_autofree char *number = NULL;

    if (!g_str_has_suffix(section, FILE_SUFFIX))
        return NULL;
    number = g_strndup(section, strlen(section) - strlen(FILE_SUFFIX));
    return mail_part_of_section(root, number);
}

static FsRecipe *file_recipe(const char *section, MailPart *root)
{
    const MailPart *part = part_of_file(section, root);
    FsRecipe *recipe = part ? recipe_new() : NULL;

    if (part)
        add_part(recipe, part, mime_form_of_file(part));
    return recipe;
}

/* --- what others call --- */

FsRecipe *fs_recipe_new(const char *section, MailPart *root, const MailEnvelope *envelope)
{
    return g_str_equal(section, FS_SECTION_TEXT) ? text_recipe(root, envelope)
                                                 : file_recipe(section, root);
}

static void foreach_source_of_text(MailPart *root, FsSourceFunc func, gpointer data)
{
    g_autoptr(GArray) plan = mime_plan(root);

    for (guint i = 0; i < plan->len; i++) {
        const MimePiece *piece = &g_array_index(plan, MimePiece, i);
        g_autofree char *header = NULL;

        switch (piece->show) {
        case MIME_SHOW_TEXT: func(piece->part->section, data); break;
        case MIME_SHOW_HEADER: func(header = header_section(piece->part), data); break;
        case MIME_SHOW_ATTACHMENT: break;
        }
    }
}

void fs_recipe_foreach_source(MailPart *root, const char *section, FsSourceFunc func, gpointer data)
{
    const MailPart *part = part_of_file(section, root);

    if (g_str_equal(section, FS_SECTION_TEXT))
        foreach_source_of_text(root, func, data);
    else if (part)
        func(part->section, data);
}
