/* SPDX-License-Identifier: MIT */
/* tests/unit/mail/error.c - what errnos mean. */
#include "mail/error.h"

#include <errno.h>

static void test_disk(void)
{
    g_assert_cmpint(mail_error_of_disk(ENOSPC), ==, MAIL_ERROR_NO_SPACE);
    g_assert_cmpint(mail_error_of_disk(EDQUOT), ==, MAIL_ERROR_NO_SPACE);
    g_assert_cmpint(mail_error_of_disk(EIO), ==, MAIL_ERROR_LOCAL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/error/disk", test_disk);
    return g_test_run();
}
