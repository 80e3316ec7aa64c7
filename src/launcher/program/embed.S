// Bytes as a symbol's content: a file named by FILE between the symbols BEGIN and END.
    .section .rodata
    .balign 8
    .global BEGIN
    .global END
BEGIN:
    .incbin FILE
END:
    .balign 8
    .section .note.GNU-stack,"",@progbits
