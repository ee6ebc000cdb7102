module CnnCluster.Tests.Main

open Expecto

[<EntryPoint>]
let main argv =
    CnnCluster.Kernels.Native.TorchLibrary.EnsureLoaded()
    runTestsInAssemblyWithCLIArgs [] argv
