"""Who answers for a message: SPF, DKIM, DMARC and ARC."""
