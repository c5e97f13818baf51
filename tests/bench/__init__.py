"""How fast is a node, against its peers on the same machine, in the same run?"""
