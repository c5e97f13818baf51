// Programs inside archives: the common wrapping of new malware that no signature knows yet.
// The content decides; a name decides only where it alone makes the file run.

rule windows_executable_in_archive
{
    meta:
        outcome = "infected"
        threat = "BorderScout.Archive.WindowsExecutable"
    condition:
        in_archive and uint16(0) == 0x5A4D and uint32(0x3C) < filesize - 4
        and uint32(uint32(0x3C)) == 0x00004550
}

rule dos_executable_in_archive
{
    meta:
        outcome = "infected"
        threat = "BorderScout.Archive.DosExecutable"
    condition:
        in_archive and uint16(0) == 0x5A4D
        and not (uint32(0x3C) < filesize - 4 and uint32(uint32(0x3C)) == 0x00004550)
        and member_name matches /\.(exe|com|scr|pif|dll|cpl|sys|ocx)$/
}

rule elf_executable_in_archive
{
    meta:
        outcome = "infected"
        threat = "BorderScout.Archive.ElfExecutable"
    condition:
        in_archive and uint32be(0) == 0x7F454C46
}

rule mach_executable_in_archive
{
    meta:
        outcome = "infected"
        threat = "BorderScout.Archive.MachExecutable"
    condition:
        in_archive and (
            uint32be(0) == 0xFEEDFACE or uint32be(0) == 0xFEEDFACF
            or uint32be(0) == 0xCEFAEDFE or uint32be(0) == 0xCFFAEDFE
            // Fat binaries share their first octets with Java classes, whose version is 45 or more.
            or (uint32be(0) == 0xCAFEBABE and uint32be(4) < 30)
        )
}

rule windows_script_in_archive
{
    meta:
        outcome = "infected"
        threat = "BorderScout.Archive.WindowsScript"
    condition:
        in_archive and member_name matches /\.(scr|pif|cpl|hta|vbe|jse|wsf|wsh|lnk)$/
}
