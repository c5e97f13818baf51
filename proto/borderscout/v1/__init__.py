"""Generated code of version 1 of the wire; `make proto` makes it again."""
