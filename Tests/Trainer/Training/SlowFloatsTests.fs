/// Who asks for 16 bits where they make a run slower is told.
module CnnCluster.Tests.Trainer.Training.SlowFloatsTests

open System
open System.IO
open System.Runtime.InteropServices
open Expecto
open CnnCluster.Dsl
open CnnCluster.Kernels
open CnnCluster.Trainer.Training

[<Tests>]
let tests =
    testList
        "Trainer.Training.SlowFloats"
        [ test "16 bits are warned of on a CPU: float16 always, bfloat16 where the processor has no products of it" {
              let warning precision devices isFast =
                  match SlowFloats.Warning(precision, devices, isFast) with
                  | null -> ""
                  | text -> text

              let onCpu precision isFast =
                  warning precision [ "cuda:0"; "cpu" ] isFast

              Expect.stringStarts (onCpu Precision.Float16 true) "libtorch computes float16 on a CPU" "float16"
              Expect.stringStarts (onCpu Precision.BFloat16 false) "this processor has neither" "bfloat16"

              for text in [ onCpu Precision.Float16 true; onCpu Precision.BFloat16 false ] do
                  Expect.stringContains text "cnn's own kernels are float32's alone" "what else is lost"

              Expect.equal
                  [ onCpu Precision.BFloat16 true
                    onCpu Precision.Float32 false
                    onCpu Precision.Float64 false
                    warning Precision.Float16 [ "cuda:0" ] false
                    warning Precision.BFloat16 [ "cuda:0" ] false ]
                  [ ""; ""; ""; ""; "" ]
                  "nothing to warn of"
          }
          test "AVX512_BF16 is bit 5 of EAX, and AMX-BF16 bit 22 of EDX" {
              Expect.equal
                  [ for edx, eax in [ 0, 0; 1 <<< 22, 0; 0, 1 <<< 5; ~~~(1 <<< 22), ~~~(1 <<< 5) ] ->
                        BFloat16Hardware.IsIn(edx, eax) ]
                  [ false; true; true; false ]
                  "bits"
          }
          if
              OperatingSystem.IsLinux()
              && RuntimeInformation.ProcessArchitecture = Architecture.X64
          then
              test "the processor has what the kernel says that it has" {
                  let flags =
                      File.ReadLines "/proc/cpuinfo"
                      |> Seq.find (fun line -> line.StartsWith "flags")
                      |> fun line -> line.Split ' '

                  Expect.equal
                      BFloat16Hardware.IsThere
                      (Array.contains "avx512_bf16" flags || Array.contains "amx_bf16" flags)
                      "bfloat16"
              } ]
