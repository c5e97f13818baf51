"""Who tells what became of mail, and whether their stories agree."""
