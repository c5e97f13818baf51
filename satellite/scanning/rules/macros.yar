// Documents with macros: the old binary formats, and the vbaProject.bin that lies in the new ones.
// Source: [MS-OVBA] section 2.2.1 (the storage _VBA_PROJECT), [MS-CFB] section 2.2 (the header).

rule document_with_macros
{
    meta:
        outcome = "macro"
        threat = "BorderScout.Macro.Vba"
    strings:
        $project = "_VBA_PROJECT" wide
    condition:
        uint32be(0) == 0xD0CF11E0 and uint32be(4) == 0xA1B11AE1 and $project
}

rule document_with_macro_member
{
    meta:
        outcome = "macro"
        threat = "BorderScout.Macro.Vba"
    condition:
        in_archive and member_name matches /(^|\/)vbaproject\.bin$/
}

// Excel 4 macros are no VBA: a sheet of their own, in a folder of its own.
rule workbook_with_macro_sheet_member
{
    meta:
        outcome = "macro"
        threat = "BorderScout.Macro.Excel4"
    condition:
        in_archive and member_name matches /(^|\/)xl\/macrosheets\/[^\/]+\.(xml|bin)$/
}
