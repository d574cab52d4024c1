; SPDX-License-Identifier: BSD-2-Clause
; The guests of kvm-l2, one flat image: a directory (name, offset, length), then each guest, made to
; run at 0x1000.
; What they rely on is laid out by vm.c: a GDT at GDT, page tables, a stack below 0xf000. They talk
; through ports:
; VALUE prints a number, TEXT a byte, END is the end; HLT ends a guest too, where no irqchip takes
; it.
; Nothing that may differ between two machines is ever printed.

VALUE equ 0x10
ANSWER equ 0x14
TEXT equ 0x3f8
LSR equ 0x3fd
END equ 0x12
GDTR equ 0x7f0
GDT equ 0x800
CODE64 equ 0x08
DATA equ 0x10
CODE32 equ 0x18
CODE16 equ 0x20
DATA16 equ 0x28
USER32 equ 0x30
USER_DATA equ 0x38
USER64 equ 0x40
PML4 equ 0x10000
PAGES32 equ 0x18000
PAGES_PAE equ 0x19000
IDT equ 0x2000              ; the guests' own scratch: an IDT, its pseudo-descriptor
IDTR equ 0x3000
DEVICE equ 0xd0000000       ; no memory here: MMIO
FAR_PAGE equ 0x40000000     ; a hole that the page-fault test fills
LAPIC equ 0xfee00000
EFER equ 0xc0000080
KERNEL_GS equ 0xc0000102

%macro put 1
    mov eax, %1
    out VALUE, eax
%endmacro

; An entry of the directory; 0 ends it.
%macro entry 1
%%name: db %str(%1)
    times 16-($-%%name) db 0
    dd section.%1.start, %1_end - 0x1000
%endmacro

; A gate of a 32-bit or 64-bit IDT at IDT; clobbers eax.
%macro gate32 2
    mov dword [IDT + %1 * 8], (CODE32 << 16) + %2
    mov dword [IDT + %1 * 8 + 4], 0x8e00
%endmacro
%macro gate64 2
    mov dword [IDT + %1 * 16], (CODE64 << 16) + %2
    mov dword [IDT + %1 * 16 + 4], 0x8e00
    mov qword [IDT + %1 * 16 + 8], 0
%endmacro
%macro load_idt 0
    mov word [IDTR], 0xfff
    mov dword [IDTR + 2], IDT
    mov dword [IDTR + 6], 0
    lidt [IDTR]
%endmacro

section directory start=0
    entry real
    entry modes
    entry fault
    entry long
    entry user
    entry device
    entry ports
    entry inject
    entry lapic
    entry memory
    entry check
    entry two
    entry smp
    entry step
    entry triple
    entry cpuid
    entry nest
    entry console
    dq 0, 0

; ---- real mode: arithmetic, stack, the IVT, a far call, strings, #DE ----------------------
section real vstart=0x1000 follows=directory align=16
bits 16
    mov si, .hello
    mov dx, TEXT
    mov cx, .hello_end - .hello
    rep outsb
    mov ax, 0x1234
    mov bx, 0x0ff0
    mul bx
    shl edx, 16
    mov dx, ax
    put edx
    mov word [0x20 * 4], .handler
    mov word [0x20 * 4 + 2], 0
    mov word [0], .divide
    mov word [2], 0
    int 0x20
    call 0x0100:.far - 0x1000
    xor bx, bx
    mov ax, 1
    div bx
.after:
    mov cx, 0x400           ; a string copy across the segment's middle
    mov si, 0x1000
    mov di, 0x7f00
    rep movsb
    mov cx, 0x400
    mov si, 0x1000
    mov di, 0x7f00
    repe cmpsb
    movzx ecx, cx
    put ecx
    push word 0x55aa
    pushf
    pop ax
    and eax, 0x8d5
    pop ax
    movzx eax, ax
    put eax
    smsw ax
    movzx eax, ax
    put eax
    hlt
.handler:
    put 0x20
    iret
.far:
    xor eax, eax
    mov ax, cs
    put eax
    retf
.divide:
    put 0xde00
    pop ax
    push word .after
    iret
.hello: db `real mode says hello\n`
.hello_end:
real_end:

; ---- every mode, entered by the guest itself: real, protected, 32-bit paging, PAE, long, and back
; -----------
section modes vstart=0x1000 follows=real align=16
bits 16
    cli
    lgdt [GDTR]
    call .show16
    mov eax, cr0
    or al, 1
    mov cr0, eax
    jmp CODE32:.protected
.show16:
    mov eax, cr0
    out VALUE, eax
    ret
bits 32
.protected:
    mov ax, DATA
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov esp, 0xf000
    call .show32
    mov eax, cr4
    or eax, 0x10            ; PSE
    mov cr4, eax
    mov eax, PAGES32
    mov cr3, eax
    mov eax, cr0
    or eax, 0x80000000
    mov cr0, eax
    call .show32
    mov ebx, [0x00c00000 + 0x1000]  ; 4 MiB page 3 of the 32-bit tables stands for page 0
    cmp ebx, [0x1000]
    sete bl
    movzx ebx, bl
    put ebx
    mov eax, cr0
    and eax, 0x7fffffff
    mov cr0, eax
    mov eax, cr4
    or eax, 0x20            ; PAE
    mov cr4, eax
    mov eax, PAGES_PAE
    mov cr3, eax
    mov eax, cr0
    or eax, 0x80000000
    mov cr0, eax
    call .show32
    mov eax, cr0
    and eax, 0x7fffffff
    mov cr0, eax
    mov eax, PML4
    mov cr3, eax
    mov ecx, EFER
    rdmsr
    or eax, 0x100
    wrmsr
    mov eax, cr0
    or eax, 0x80000000
    mov cr0, eax
    call .show32            ; compatibility mode
    jmp CODE64:.long
bits 64
.long:
    mov rbx, 0x1122334455667788
    mov rax, rbx
    shr rax, 32
    out VALUE, eax
    mov ecx, EFER
    rdmsr
    out VALUE, eax
    push CODE32
    push .leave
    db 0x48                 ; retfq
    retf
bits 32
.leave:
    mov eax, cr0
    and eax, 0x7fffffff
    mov cr0, eax
    mov ecx, EFER
    rdmsr
    and eax, ~0x100
    wrmsr
    call .show32
    jmp CODE16:.sixteen
.show32:
    mov eax, cr0
    out VALUE, eax
    mov eax, cr4
    and eax, 0x30
    out VALUE, eax
    ret
bits 16
.sixteen:
    mov ax, DATA16
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov eax, cr0
    and al, 0xfe
    mov cr0, eax
    jmp 0:.real
.real:
    xor ax, ax
    mov ds, ax
    mov ss, ax
    call .show16
    hlt
modes_end:

; ---- 32-bit paging: page faults that the guest's handler repairs, the accessed and dirty bits,
; #UD, #GP ---------
section fault vstart=0x1000 follows=modes align=16
bits 32
    gate32 14, .page_fault
    gate32 13, .protection
    gate32 6, .undefined
    load_idt
    mov ecx, 4
.next:
    mov edi, FAR_PAGE
    mov eax, ecx
    shl eax, 22
    add edi, eax
    mov dword [edi + 0x123], 0xabcd0000
    add [edi + 0x123], ecx
    mov eax, [edi + 0x123]
    out VALUE, eax
    loop .next
    mov eax, [PAGES32 + (FAR_PAGE >> 22) * 4 + 16]
    out VALUE, eax          ; accessed and dirty
    ud2
.after_ud:
    mov ax, 0x58            ; beyond the GDT
    mov fs, ax
.after_gp:
    mov eax, cr0
    or eax, 0x10000         ; WP
    mov cr0, eax
    and dword [PAGES32 + (FAR_PAGE >> 22) * 4 + 4], ~2
    invlpg [FAR_PAGE + 0x400000]
    mov dword [FAR_PAGE + 0x400000], 1
    hlt
.page_fault:
    pop ebx                 ; error code
    put ebx
    mov eax, cr2
    out VALUE, eax
    shr eax, 22
    mov dword [PAGES32 + eax * 4], 0x00c00083
    invlpg [FAR_PAGE]
    iret
.protection:
    pop ebx
    put ebx
    mov dword [esp], .after_gp
    iret
.undefined:
    put 0x0d06
    mov dword [esp], .after_ud
    iret
fault_end:

; ---- long mode: SSE, CPUID's promise, MSRs, 64-bit arithmetic, a debug register
; ----------------------------
section long vstart=0x1000 follows=fault align=16
bits 64
    mov rax, cr4
    or eax, 0x600
    mov cr4, rax
    mov eax, 355
    cvtsi2sd xmm0, eax
    mov eax, 113
    cvtsi2sd xmm1, eax
    divsd xmm0, xmm1
    movq rax, xmm0
    out VALUE, eax
    shr rax, 32
    out VALUE, eax
    mov ecx, KERNEL_GS
    mov eax, 0x89abcdef
    mov edx, 0x00001234
    wrmsr
    swapgs
    mov ecx, 0xc0000101
    rdmsr
    out VALUE, eax
    put edx
    mov rax, 0x123456789abcdef0
    mov rbx, 0x0fedcba987654321
    mul rbx
    out VALUE, eax
    put edx
    mov rax, 0x1111
    mov dr0, rax
    mov rax, dr0
    out VALUE, eax
    mov rax, cr3
    mov cr3, rax
    mov rax, cr8
    out VALUE, eax
    mov eax, 5
    mov cr8, rax
    mov rax, cr8
    out VALUE, eax
    rdtsc
    mov ebx, eax
    rdtsc
    sub eax, ebx
    cmp eax, 0
    seta al
    movzx eax, al
    out VALUE, eax
    xor ebx, ebx
    wbinvd
    hlt
long_end:

; ---- SYSCALL and SYSRET between rings of long mode, and an IRET to user code that faults
; ------------------
section user vstart=0x1000 follows=long align=16
bits 64
    gate64 13, .protection
    load_idt
    mov ecx, EFER
    rdmsr
    or eax, 1
    wrmsr
    mov ecx, 0xc0000081     ; STAR: user base at USER32, so SYSRET gives USER64 and USER_DATA
    xor eax, eax
    mov edx, USER32 << 16 | CODE64 | 3 << 16
    wrmsr
    mov ecx, 0xc0000082     ; LSTAR
    mov eax, .system
    xor edx, edx
    wrmsr
    mov ecx, 0xc0000084     ; SFMASK
    mov eax, 0x200
    wrmsr
    xor ebx, ebx
    mov ecx, .ring3
    mov r11d, 2
    o64 sysret
.ring3:
    inc ebx
    mov eax, ebx
    syscall
    cmp ebx, 5
    jne .ring3
    hlt                     ; #GP from ring 3, on the ring-0 stack of the TSS
.system:
    out VALUE, eax
    mov eax, cs
    out VALUE, eax
    o64 sysret
.protection:
    mov eax, [rsp + 16]     ; CS of ring 3
    out VALUE, eax
    hlt
user_end:

; ---- MMIO in every width, strings, a read-modify-write
; --------------------------------------------------------
section device vstart=0x1000 follows=user align=16
bits 64
    mov rdi, DEVICE
    mov byte [rdi], 0x11
    mov word [rdi + 8], 0x2222
    mov dword [rdi + 16], 0x33333333
    mov rax, 0x4444444455555555
    mov [rdi + 24], rax
    movzx eax, byte [rdi + 1]
    out VALUE, eax
    movzx eax, word [rdi + 2]
    out VALUE, eax
    mov eax, [rdi + 4]
    out VALUE, eax
    mov rax, [rdi + 8]
    out VALUE, eax
    shr rax, 32
    out VALUE, eax
    or dword [rdi + 0x20], 0x80
    xchg [rdi + 0x30], ecx
    mov rsi, 0x1000
    add rdi, 0x40
    mov ecx, 3
    rep movsd
    mov eax, 0xffff
    mov dword [rdi + 0xffc], eax    ; the end of a page
    mov eax, [rdi + 0xff8]
    hlt
device_end:

; ---- ports in every width, strings in and out
; --------------------------------------------------------------------
section ports vstart=0x1000 follows=device align=16
bits 64
    mov dx, ANSWER
    in al, dx
    movzx eax, al
    out VALUE, eax
    in ax, dx
    movzx eax, ax
    out VALUE, eax
    in eax, dx
    out VALUE, eax
    cld
    mov edi, 0x8000
    mov ecx, 6
    rep insb
    mov ecx, 3
    rep insw
    mov ecx, 2
    rep insd
    mov esi, 0x8000
    mov dx, VALUE
    mov ecx, 5
    rep outsd
    mov al, 0x7f
    out VALUE, al
    mov ax, 0x7fff
    out VALUE, ax
    hlt
ports_end:

; ---- interrupts from userspace: woken from HLT, held while IF is 0, behind STI; and an NMI
; ----------------
section inject vstart=0x1000 follows=ports align=16
bits 64
    gate64 0x30, .thirty
    gate64 0x31, .thirtyone
    gate64 0xf0, .high
    gate64 2, .nmi
    load_idt
    mov ebp, 6
.wait:
    sti
    hlt                     ; userspace injects 0x30, 0x31, 0xf0 in turn
    cli
    dec ebp
    jnz .wait
    mov al, 1
    out 0x16, al            ; asks for 0x30, held until the window opens
    put 0xcafe
    sti
    nop
    put 0xcaff
    cli
    mov al, 2
    out 0x16, al            ; asks for an NMI: comes at once
    put 0xcb00
    mov al, 3
    out 0x16, al            ; both
    sti
    nop
    put 0xcb01
    mov al, 0
    out END, al
.thirty:
    put 0x30
    iretq
.thirtyone:
    put 0x31
    iretq
.high:
    put 0xf0
    iretq
.nmi:
    put 0x02
    iretq
inject_end:

; ---- KVM's own irqchip: the local APIC's timer, self-IPI and priorities, the 8259
; ----------------------------
section lapic vstart=0x1000 follows=inject align=16
bits 64
    gate64 0x40, .timer
    gate64 0x50, .ipi
    gate64 0x61, .high
    gate64 0x21, .pic
    load_idt
    mov rsi, LAPIC
    mov dword [rsi + 0xf0], 0x1ff
    mov eax, [rsi + 0x30]
    and eax, 0xff
    out VALUE, eax
    mov dword [rsi + 0x3e0], 0xb        ; divide by 1
    mov dword [rsi + 0x320], 0x20040    ; periodic
    xor ebx, ebx
    mov dword [rsi + 0x380], 10000000   ; 10 ms
.tick:
    sti
    hlt
    cli
    cmp ebx, 8
    jb .tick
    mov dword [rsi + 0x380], 0
    put ebx
    mov dword [rsi + 0x320], 0x00040    ; one shot, and waiting without HLT
    xor ebx, ebx
    mov dword [rsi + 0x380], 5000000
    sti
.spin:
    pause
    test ebx, ebx
    jz .spin
    cli
    put ebx
    mov dword [rsi + 0x300], 0x44050    ; self-IPIs, low before high: high must come first
    mov dword [rsi + 0x300], 0x44061
    put 1
    sti
    nop
    cli
    put 2
    mov eax, 6                          ; CR8 holds 0x50 and 0x61 back
    mov cr8, rax
    mov dword [rsi + 0x300], 0x44061
    sti
    nop
    put 3
    mov dword [rsi + 0x80], 0           ; the TPR by its register opens
    nop
    cli
    put 4
    mov al, 0x11                        ; the 8259: vectors from 0x20
    out 0x20, al
    mov al, 0x20
    out 0x21, al
    mov al, 4
    out 0x21, al
    mov al, 1
    out 0x21, al
    mov al, 0xfd                        ; IRQ 1 only
    out 0x21, al
    mov dword [rsi + 0x350], 0x700      ; LINT0: ExtINT
    mov al, 4
    out 0x16, al                        ; userspace pulls IRQ 1
    sti
    hlt
    cli
    put 5
    mov al, 0
    out END, al
.timer:
    inc ebx
    mov dword [rsi + 0xb0], 0
    iretq
.ipi:
    put 0x50
    mov dword [rsi + 0xb0], 0
    iretq
.high:
    put 0x61
    mov dword [rsi + 0xb0], 0
    iretq
.pic:
    mov al, 0x20
    out 0x20, al
    put 0x21
    iretq
lapic_end:

; ---- memory: fill [rdi, rsi) with a pattern of its own addresses from seed rbx; verify; END says
; the errors --
section memory vstart=0x1000 follows=lapic align=16
bits 64
    mov r8, 0x9e3779b97f4a7c15
    mov rcx, rdi
.fill:
    mov rax, rcx
    imul rax, r8
    xor rax, rbx
    mov [rcx], rax
    add rcx, rdx
    cmp rcx, rsi
    jb .fill
    xor ebp, ebp
    mov rcx, rdi
.verify:
    mov rax, rcx
    imul rax, r8
    xor rax, rbx
    cmp [rcx], rax
    je .same
    inc ebp
.same:
    add rcx, rdx
    cmp rcx, rsi
    jb .verify
    put ebp
    hlt
memory_end:

; ---- the sum of the first quadwords of each step of rdx in [rdi, rsi)
; -------------------------------------------
section check vstart=0x1000 follows=memory align=16
bits 64
    xor ebx, ebx
.next:
    add rbx, [rdi]
    add rdi, rdx
    cmp rdi, rsi
    jb .next
    put ebx
    shr rbx, 32
    put ebx
    hlt
check_end:

; ---- two processors that take turns: each counts in its own registers and in one shared word
; -------------------
section two vstart=0x1000 follows=check align=16
bits 64
.next:
    inc rbx
    inc dword [0x8000]
    mov eax, ebx
    out VALUE, eax
    put [0x8000]
    jmp .next
two_end:

; ---- two processors: interrupts there and back, a word between them, one counter for both ----
; ebx is the processor's number, edi says how often.
READY equ 0x8000            ; the second takes interrupts
PONGS equ 0x8008            ; how many the first has taken
ROUND equ 0x8010            ; the first's word to the second, and the sum of those it has read
SUM equ 0x8014
COUNTER equ 0x8018
COUNT equ 0x8020            ; the second may count, and has
COUNTED equ 0x8024
section smp vstart=0x1000 follows=two align=16
bits 64
    gate64 0x40, .pong
    gate64 0x41, .ping
    gate64 0x42, .wake
    load_idt
    mov rsi, LAPIC
    mov dword [rsi + 0xf0], 0x1ff
    test ebx, ebx
    jnz .second
.until_ready:
    pause
    cmp dword [READY], 1
    jne .until_ready
    xor ebp, ebp
.round:
    inc ebp
    mov [ROUND], ebp
    mov dword [rsi + 0x310], 1 << 24
    mov dword [rsi + 0x300], 0x4041
.until_pong:
    cli
    cmp [PONGS], ebp
    jae .ponged
    sti
    hlt
    jmp .until_pong
.ponged:
    cmp ebp, edi
    jb .round
    put [PONGS]
    put [SUM]
    mov dword [COUNT], 1
    mov dword [rsi + 0x310], 1 << 24
    mov dword [rsi + 0x300], 0x4042
    call .count
.until_counted:
    pause
    cmp dword [COUNTED], 1
    jne .until_counted
    put [COUNTER]
    mov al, 0
    out END, al
.second:
    mov dword [READY], 1
.idle:
    sti
    hlt
    cli
    cmp dword [COUNT], 1
    jne .idle
    call .count
    mov dword [COUNTED], 1
.over:
    hlt
    jmp .over
.count:
    mov ecx, 20000
.add:
    lock inc dword [COUNTER]
    dec ecx
    jnz .add
    ret
.ping:
    push rax
    mov eax, [ROUND]
    add [SUM], eax
    mov dword [rsi + 0x310], 0
    mov dword [rsi + 0x300], 0x4040
    pop rax
    jmp .wake
.pong:
    inc dword [PONGS]
.wake:
    mov dword [rsi + 0xb0], 0
    iretq
smp_end:

; ---- single steps and breakpoints, driven by userspace
; ---------------------------------------------------------------
section step vstart=0x1000 follows=smp align=16
bits 64
    nop
    mov eax, 1
    cpuid
    out 0x80, al
    xor ecx, ecx
    mov ss, ecx             ; a null SS is legal in ring 0 of long mode; the next step is one later
    nop
    xor ecx, ecx
    inc ecx
    int3
    nop
    hlt
step_end:

; ---- a fault with no handler to go to, three times over
; -----------------------------------------------------------
section triple vstart=0x1000 follows=step align=16
bits 64
    put 3
    mov word [IDTR], 0
    mov qword [IDTR + 2], 0
    lidt [IDTR]
    ud2
triple_end:

; ---- rbx exits of the cheapest kind, for the ticks
; -----------------------------------------------------------------
section cpuid vstart=0x1000 follows=triple align=16
bits 64
.next:
    xor eax, eax
    mov esi, ebx
    cpuid
    mov ebx, esi
    dec ebx
    jnz .next
    hlt
cpuid_end:

; ---- a hypervisor as KVM's guest: ebx trips of a guest of its own, by VMCALL and CPUID in turn;
; edi says whether that one has EPT ----
NESTED equ 0x30000          ; the VMXON region, the VMCS, and EPT tables of 16 MiB, one to one
NESTED_STACK equ 0xd000
section nest vstart=0x1000 follows=cpuid align=16
bits 64
    mov r15d, ebx
    mov eax, 1
    cpuid
    test ecx, 1 << 5
    jz .none
    mov ecx, 0x3a           ; IA32_FEATURE_CONTROL
    rdmsr
    test al, 1
    jnz .locked
    or eax, 5
    wrmsr
.locked:
    mov rax, cr0
    or eax, 0x20            ; NE
    mov cr0, rax
    mov rax, cr4
    or eax, 0x2000          ; VMXE
    mov cr4, rax
    mov ecx, 0x480          ; IA32_VMX_BASIC: the revision
    rdmsr
    mov [NESTED], eax
    mov [NESTED + 0x1000], eax
    vmxon [.regions]
    jbe .fails
    vmclear [.regions + 8]
    jbe .fails
    vmptrld [.regions + 8]
    jbe .fails
    mov r14d, 0x4000        ; pin-based, primary, VM-exit and VM-entry controls
    mov ecx, 0x481
    xor ebx, ebx
    call .control
    mov r14d, 0x4002
    mov ebx, 1 << 31        ; secondary controls
    call .control
    mov r14d, 0x400c
    mov ebx, 1 << 9         ; host address-space size
    call .control
    mov r14d, 0x4012
    mov ebx, 1 << 9         ; IA-32e mode guest
    call .control
    mov r14d, 0x401e
    mov ecx, 0x48b
    xor ebx, ebx
    test edi, edi
    jz .secondary
    call .tables
    mov ebx, 1 << 1 | 1 << 5        ; EPT, VPID
.secondary:
    call .control
    mov esi, .fields
    test edi, edi
    jnz .field
    add esi, 2 * 12         ; without VPID and EPTP
.field:
    mov ecx, [rsi]
    mov rax, [rsi + 4]
    vmwrite rcx, rax
    jbe .fails
    add esi, 12
    cmp esi, .fields_end
    jb .field
    mov edx, 0x4000         ; CR0, CR3, CR4 of both
.same:
    lea ecx, [rdx + 0x2800]
    mov rax, cr0
    vmwrite rcx, rax
    add ecx, 2
    mov rax, cr3
    vmwrite rcx, rax
    add ecx, 2
    mov rax, cr4
    vmwrite rcx, rax
    add edx, 0x400
    cmp edx, 0x4400
    jbe .same
    xor r13d, r13d          ; the sum of the exit reasons
    xor r12d, r12d          ; what the innermost counts
    vmlaunch
    jmp .fails
.exit:
    mov eax, 0x4402         ; exit reason
    vmread rax, rax
    add r13d, eax
    mov ecx, 0x440c         ; instruction length
    vmread rcx, rcx
    mov eax, 0x681e         ; RIP
    vmread rdx, rax
    add rdx, rcx
    vmwrite rax, rdx
    dec r15d
    jz .done
    vmresume
.fails:
    pushfq
    pop rax
    and eax, 0x41
    out VALUE, eax
    mov eax, 0x4400         ; VM-instruction error
    vmread rax, rax
    out VALUE, eax
.done:
    vmxoff
    put r13d
    put r12d
.none:
    hlt

.control:                   ; field r14d gets what ebx wants and MSR ecx allows; ecx goes on
    rdmsr
    or eax, ebx
    and eax, edx
    vmwrite r14, rax
    inc ecx
    ret

.tables:
    mov qword [NESTED + 0x2000], NESTED + 0x3007
    mov qword [NESTED + 0x3000], NESTED + 0x4007
    mov eax, 0xb7           ; write-back, large
    mov edx, NESTED + 0x4000
.leaf:
    mov [rdx], rax
    add edx, 8
    add eax, 0x200000
    cmp eax, 0x1000000
    jb .leaf
    ret

.innermost:
    inc r12d
    vmcall
    xor eax, eax
    cpuid
    jmp .innermost

align 8
.regions: dq NESTED, NESTED + 0x1000
%macro field 2
    dd %1
    dq %2
%endmacro
.fields:
    field 0x0000, 1         ; VPID
    field 0x201a, NESTED + 0x201e   ; EPTP: write-back, four levels
    field 0x2800, -1        ; link pointer
    field 0x0800, DATA      ; ES, CS, SS, DS, FS, GS, LDTR, TR of the innermost
    field 0x0802, CODE64
    field 0x0804, DATA
    field 0x0806, DATA
    field 0x0808, 0
    field 0x080a, 0
    field 0x080c, 0
    field 0x080e, 0x50
    field 0x4800, 0xffffffff
    field 0x4802, 0xffffffff
    field 0x4804, 0xffffffff
    field 0x4806, 0xffffffff
    field 0x4808, 0xffffffff
    field 0x480a, 0xffffffff
    field 0x480c, 0
    field 0x480e, 0x67
    field 0x4810, 9 * 8 - 1
    field 0x4812, 0xfff
    field 0x4814, 0xc093
    field 0x4816, 0xa09b
    field 0x4818, 0xc093
    field 0x481a, 0xc093
    field 0x481c, 0x10000
    field 0x481e, 0x10000
    field 0x4820, 0x10000
    field 0x4822, 0x8b
    field 0x6814, 0x4000    ; TR's, GDTR's, IDTR's base
    field 0x6816, GDT
    field 0x6818, IDT
    field 0x681a, 0x400     ; DR7
    field 0x681c, NESTED_STACK
    field 0x681e, .innermost
    field 0x6820, 2
    field 0x0c00, DATA      ; ES, CS, SS, DS, TR of its host
    field 0x0c02, CODE64
    field 0x0c04, DATA
    field 0x0c06, DATA
    field 0x0c0c, 0x50
    field 0x6c0a, 0x4000
    field 0x6c0c, GDT
    field 0x6c0e, IDT
    field 0x6c14, 0xf000
    field 0x6c16, .exit
.fields_end:
nest_end:

; ---- run-l2: a tiny kernel with a console, which starts in real mode and ends in a long-mode echo
; --------------------
section console vstart=0x1000 follows=nest align=16
bits 16
    cli
    lgdt [GDTR]
    mov eax, 0x20
    mov cr4, eax
    mov eax, PML4
    mov cr3, eax
    mov ecx, EFER
    rdmsr
    or ah, 1
    wrmsr
    mov eax, cr0
    or eax, 0x80000001
    mov cr0, eax
    jmp CODE64:.long
bits 64
.long:
    mov ax, DATA
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov rsi, .hello
    call .say
    xor eax, eax
    cpuid
    mov [.vendor], ebx
    mov [.vendor + 4], edx
    mov [.vendor + 8], ecx
    mov rsi, .cpu
    call .say
    mov rsi, .prompt
    call .say
.read:
    mov dx, LSR
    in al, dx
    test al, 1
    jnz .ready
    hlt                     ; userspace waits for a key
    jmp .read
.ready:
    mov dx, TEXT
    in al, dx
    cmp al, 4
    je .end
    out dx, al
    cmp al, 13
    jne .read
    mov rsi, .prompt
    call .say
    jmp .read
.end:
    mov rsi, .bye
    call .say
    mov al, 0
    out END, al
.say:
    mov dx, TEXT
.byte:
    lodsb
    test al, al
    jz .said
    out dx, al
    jmp .byte
.said:
    ret
.hello: db `\r\nL2 lives: real mode was left for long mode, four levels of page tables, `
        db `port 0x3f8.\r\n`, 0
.cpu: db `CPUID says `
.vendor: db "............", `\r\n`, 0
.prompt: db `\r\nL2 echoes (Ctrl-D ends it)> `, 0
.bye: db `\r\nL2 ends.\r\n`, 0
console_end:
