-- A prompt as prompts are compared: in Unicode NFC, in lower case, white space collapsed.
trim(regexp_replace(lower(nfc_normalize(prompt)), '[\s\pZ]+', ' ', 'g'))
