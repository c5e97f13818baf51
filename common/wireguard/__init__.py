"""The tunnel between the sites and the core: its file, its interface and how it fares."""
