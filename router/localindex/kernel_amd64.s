#include "textflag.h"

// func dotsAVX2(q *int16, rows *int8, out *int32, stride, n int)
//
// Four rows at a time, so that 16 components of the query are loaded once for them; then the last n mod 4 one by one.
// A row's 16 bytes are widened to 16-bit words, multiplied with the query's words and added in neighbouring pairs to eight
// 32-bit sums (VPMADDWD); no sum can overflow, see queryLimit.
//
//	SI query    DI row 0 (then R9, R10, R11: rows 1 to 3)    R8 out
//	DX stride   CX rows left    AX component
//	Y0-Y3 sums of rows 0 to 3   Y4-Y7 products   Y8 query words
TEXT ·dotsAVX2(SB), NOSPLIT, $0-40
	MOVQ q+0(FP), SI
	MOVQ rows+8(FP), DI
	MOVQ out+16(FP), R8
	MOVQ stride+24(FP), DX
	MOVQ n+32(FP), CX

four:
	CMPQ  CX, $4
	JLT   one
	LEAQ  (DI)(DX*1), R9
	LEAQ  (DI)(DX*2), R10
	LEAQ  (R9)(DX*2), R11
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
	VPXOR Y2, Y2, Y2
	VPXOR Y3, Y3, Y3
	XORQ  AX, AX
	CMPQ  AX, DX
	JGE   fourDone

fourStep:
	VMOVDQU   (SI)(AX*2), Y8
	VPMOVSXBW (DI)(AX*1), Y4
	VPMOVSXBW (R9)(AX*1), Y5
	VPMOVSXBW (R10)(AX*1), Y6
	VPMOVSXBW (R11)(AX*1), Y7
	VPMADDWD  Y8, Y4, Y4
	VPMADDWD  Y8, Y5, Y5
	VPMADDWD  Y8, Y6, Y6
	VPMADDWD  Y8, Y7, Y7
	VPADDD    Y4, Y0, Y0
	VPADDD    Y5, Y1, Y1
	VPADDD    Y6, Y2, Y2
	VPADDD    Y7, Y3, Y3
	ADDQ      $16, AX
	CMPQ      AX, DX
	JLT       fourStep

fourDone:
	// Sums of neighbours, twice, leave one sum a row in each half of Y0.
	VPHADDD      Y1, Y0, Y0
	VPHADDD      Y3, Y2, Y2
	VPHADDD      Y2, Y0, Y0
	VEXTRACTI128 $1, Y0, X1
	VPADDD       X1, X0, X0
	VMOVDQU      X0, (R8)
	ADDQ         $16, R8
	LEAQ         (DI)(DX*4), DI
	SUBQ         $4, CX
	JMP          four

one:
	TESTQ CX, CX
	JZ    done
	VPXOR Y0, Y0, Y0
	XORQ  AX, AX
	CMPQ  AX, DX
	JGE   oneDone

oneStep:
	VPMOVSXBW (DI)(AX*1), Y4
	VPMADDWD  (SI)(AX*2), Y4, Y4
	VPADDD    Y4, Y0, Y0
	ADDQ      $16, AX
	CMPQ      AX, DX
	JLT       oneStep

oneDone:
	VEXTRACTI128 $1, Y0, X1
	VPADDD       X1, X0, X0
	VPHADDD      X0, X0, X0
	VPHADDD      X0, X0, X0
	VMOVD        X0, (R8)
	ADDQ         $4, R8
	ADDQ         DX, DI
	DECQ         CX
	JMP          one

done:
	VZEROUPPER
	RET

// func dotAVX2(a, b *float32, n int) float32
//
// Lanes 0 to 7 are summed in Y0, 8 to 15 in Y1, then added as dotPortable adds them. Multiplications and additions stay
// apart (no FMA), so the bits are the portable ones.
//
//	SI a   DI b   CX n   AX component
TEXT ·dotAVX2(SB), NOSPLIT, $0-28
	MOVQ   a+0(FP), SI
	MOVQ   b+8(FP), DI
	MOVQ   n+16(FP), CX
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	XORQ   AX, AX
	CMPQ   AX, CX
	JGE    fold

step:
	VMOVUPS (SI)(AX*4), Y2
	VMOVUPS 32(SI)(AX*4), Y3
	VMULPS  (DI)(AX*4), Y2, Y2
	VMULPS  32(DI)(AX*4), Y3, Y3
	VADDPS  Y2, Y0, Y0
	VADDPS  Y3, Y1, Y1
	ADDQ    $16, AX
	CMPQ    AX, CX
	JLT     step

fold:
	VADDPS       Y1, Y0, Y0        // 8 apart
	VEXTRACTF128 $1, Y0, X1
	VADDPS       X1, X0, X0        // 4 apart
	VPERMILPS    $0x4e, X0, X1
	VADDPS       X1, X0, X0        // 2 apart
	VPERMILPS    $0xb1, X0, X1
	VADDSS       X1, X0, X0        // neighbours
	VMOVSS       X0, ret+24(FP)
	VZEROUPPER
	RET
