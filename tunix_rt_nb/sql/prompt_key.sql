-- A prompt as prompts are compared: in Unicode NFC, in lower case, white space collapsed. One in
-- ASCII with single spaces, as most are, needs lower case only, which is four times as fast. A NUL
-- ends a text for nfc_normalize, so it becomes the sign for what cannot be shown.
trim(
    CASE
        WHEN regexp_matches(prompt, '[^!-~ ]|  ')
            THEN regexp_replace(lower(nfc_normalize(replace(prompt, chr(0), chr(65533)))), '[\s\pZ]+', ' ', 'g')
        ELSE lower(prompt)
    END
)
