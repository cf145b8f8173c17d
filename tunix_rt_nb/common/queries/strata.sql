-- Of each value the traces that come first, as many as its quota says.
(
    SELECT matching.*
    FROM matching
    JOIN (SELECT unnest($strata::VARCHAR[]) AS value, unnest($quotas::BIGINT[]) AS quota)
        USING (value)
    QUALIFY row_number() OVER (PARTITION BY value ORDER BY {order}) <= quota
)
