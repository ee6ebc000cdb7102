module CnnCluster.Tests.Kernels.Native.LibTorchSharpRewriteTests

open System
open System.IO
open Expecto
open CnnCluster.Kernels.Native

let private fileName = "libLibTorchSharp.so"

let private hashOf (image: byte[]) =
    LibTorchSharpRewrite.HashOf(ReadOnlySpan image)

let private apply (image: byte[]) =
    LibTorchSharpRewrite.Apply(ReadOnlySpan image)

let private packages =
    match Environment.GetEnvironmentVariable "NUGET_PACKAGES" with
    | null
    | "" -> Path.Combine(Environment.GetFolderPath Environment.SpecialFolder.UserProfile, ".nuget", "packages")
    | folder -> folder

/// The file as TorchSharp ships it: in the package folder, or beside the tests where it needed no rewrite.
let private shipped =
    lazy
        ([ AppContext.BaseDirectory; Path.Combine(packages, "torchsharp", "0.107.0") ]
         |> List.filter Directory.Exists
         |> Seq.collect (fun folder -> Directory.EnumerateFiles(folder, fileName, SearchOption.AllDirectories))
         |> Seq.map File.ReadAllBytes
         |> Seq.tryFind (fun image -> hashOf image = LibTorchSharpRewrite.OriginalHash))

let private withShipped act =
    match shipped.Value with
    | Some image -> act image
    | None -> skiptest $"{fileName} of TorchSharp 0.107.0 for linux-x64 is not on this machine"

let private inFile (content: byte[]) act =
    let folder = Directory.CreateTempSubdirectory "rewrite"
    let path = Path.Combine(folder.FullName, fileName)

    try
        File.WriteAllBytes(path, content)
        act path
        Expect.equal [ for file in folder.EnumerateFiles() -> file.Name ] [ fileName ] "no file is left behind"
    finally
        folder.Delete true

[<Tests>]
let tests =
    testList
        "Kernels.LibTorchSharpRewrite"
        [ for name, image in [ "an empty file", [||]; "another file", Array.create 300_000 1uy ] do
              test $"{name} is refused, and the message says which one is known" {
                  let failure =
                      Expect.throwsC (fun () -> apply image |> ignore) (fun e -> e :?> InvalidDataException)

                  Expect.stringContains failure.Message "TorchSharp 0.107.0 for linux-x64" "the known file"
              }
          test "the known file becomes the expected one, of the same length" {
              withShipped (fun image ->
                  let rewritten = apply image
                  Expect.equal (hashOf rewritten) LibTorchSharpRewrite.RewrittenHash "the expected hash"
                  Expect.equal rewritten.Length image.Length "nothing moved")
          }
          test "a rewritten file is not rewritten again" {
              withShipped (fun image ->
                  Expect.throwsT<InvalidDataException> (fun () -> apply (apply image) |> ignore) "refused by bytes"

                  inFile (apply image) (fun path ->
                      let written = File.GetLastWriteTimeUtc path
                      TorchLibrary.Rewrite path
                      Expect.equal (File.GetLastWriteTimeUtc path) written "the file was left alone"))
          }
          test "one changed byte is refused" {
              withShipped (fun image ->
                  let changed = Array.mapi (fun i b -> if i = 1000 then b ^^^ 1uy else b) image
                  Expect.throwsT<InvalidDataException> (fun () -> apply changed |> ignore) "not the known file")
          }
          test "the known file is rewritten in its place" {
              withShipped (fun image ->
                  inFile image (fun path ->
                      TorchLibrary.Rewrite path
                      Expect.equal (hashOf (File.ReadAllBytes path)) LibTorchSharpRewrite.RewrittenHash "rewritten"))
          }
          test "an unknown file is left alone, and the message says why it matters" {
              let content = Array.create 100 7uy

              inFile content (fun path ->
                  let failure =
                      Expect.throwsC (fun () -> TorchLibrary.Rewrite path) (fun e -> e :?> TorchLibraryException)

                  Expect.stringContains failure.Message path "which file"
                  Expect.stringContains failure.Message "GLIBCXX_3.4.32" "what is missing"
                  Expect.equal (File.ReadAllBytes path) content "unchanged")
          } ]
