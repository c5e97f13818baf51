"""Which gateways are measured?"""
