/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of UEFI's errors. Contract in status.h. Pure: the host tests link this file as it is. */
#include "boot/status.h"

/* UEFI 2.10, appendix D "Status Codes". Rows of bytes, as pointers would need relocations. */
static const struct {
    u8 number;
    char name[23];
} names[] = {
    {1, "EFI_LOAD_ERROR"},        {2, "EFI_INVALID_PARAMETER"},   {3, "EFI_UNSUPPORTED"},
    {4, "EFI_BAD_BUFFER_SIZE"},   {5, "EFI_BUFFER_TOO_SMALL"},    {6, "EFI_NOT_READY"},
    {7, "EFI_DEVICE_ERROR"},      {8, "EFI_WRITE_PROTECTED"},     {9, "EFI_OUT_OF_RESOURCES"},
    {10, "EFI_VOLUME_CORRUPTED"}, {11, "EFI_VOLUME_FULL"},        {12, "EFI_NO_MEDIA"},
    {13, "EFI_MEDIA_CHANGED"},    {14, "EFI_NOT_FOUND"},          {15, "EFI_ACCESS_DENIED"},
    {16, "EFI_NO_RESPONSE"},      {17, "EFI_NO_MAPPING"},         {18, "EFI_TIMEOUT"},
    {19, "EFI_NOT_STARTED"},      {20, "EFI_ALREADY_STARTED"},    {21, "EFI_ABORTED"},
    {24, "EFI_PROTOCOL_ERROR"},   {26, "EFI_SECURITY_VIOLATION"}, {27, "EFI_CRC_ERROR"},
    {31, "EFI_END_OF_FILE"},
};

#define ERROR (1ull << 63)

void line_add_status(struct line *l, u64 status)
{
    for (u32 i = 0; i < ARRAY_LEN(names); i++) {
        if (status != (ERROR | names[i].number))
            continue;
        line_add(l, names[i].name);
        line_add(l, " (");
        line_add_hex(l, status);
        line_add(l, ")");
        return;
    }
    line_add(l, "status ");
    line_add_hex(l, status);
}
