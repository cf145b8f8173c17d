-- A prompt as prompts are compared: in Unicode NFC, in lower case, white space collapsed. One in
-- ASCII with single spaces, as most are, needs lower case only, which is much faster. A NUL ends a
-- text for nfc_normalize, so it becomes the sign for what cannot be shown.
trim(
    CASE
        WHEN
            strlen(prompt) > length(prompt)
            OR contains(prompt, '  ')
            OR contains(prompt, E'\t')
            OR contains(prompt, E'\n')
            OR contains(prompt, E'\f')
            OR contains(prompt, E'\r')
            OR contains(prompt, chr(0))
            THEN regexp_replace(
                lower(nfc_normalize(replace(prompt, chr(0), chr(65533)))), '[\s\pZ]+', ' ', 'g'
            )
        ELSE lower(prompt)
    END
)
