/// The image itself is built where there is a Docker engine; here, what its recipe says of the sources.
module CnnCluster.Tests.Deploy.DockerfileTests

open System
open System.IO
open System.Text.RegularExpressions
open System.Xml.Linq
open Expecto
open CnnCluster.Tests

let private words (text: string) =
    text.Split(' ', StringSplitOptions.RemoveEmptyEntries) |> List.ofArray

/// The instructions, each on one line, without comments.
let private instructions =
    let text = File.ReadAllText(Repository.file "deploy/Dockerfile")

    Regex.Replace(Regex.Replace(text, @"(?m)^#.*\n", ""), @"\\\n", " ").Split '\n'
    |> Array.map words
    |> Array.filter (not << List.isEmpty)

/// What is copied out of the repository, without what comes from another stage.
let private copied =
    [ for instruction in instructions do
          match instruction with
          | "COPY" :: first :: rest when not (first.StartsWith "--from") ->
              yield! List.truncate rest.Length (first :: rest)
          | _ -> () ]

/// The commands of dotnet, as their arguments.
let private commands verb =
    [ for instruction in instructions do
          for command in (String.concat " " instruction).Split "&&" do
              match words (Regex.Replace(command, "^RUN ", "")) with
              | "dotnet" :: actual :: arguments when actual = verb -> arguments
              | _ -> () ]

let private projectIn folder =
    Directory.GetFiles(Repository.file folder, "*.??proj") |> Array.exactlyOne

/// The folders of a project and of all that it refers to.
let rec private rooms folder =
    let references = XDocument.Load(projectIn folder).Descendants "ProjectReference"

    folder
    :: [ for reference in references do
             let path = (reference.Attribute "Include").Value
             yield! rooms (Path.GetFileName(Path.GetDirectoryName path)) ]
    |> List.distinct

let private exists path =
    File.Exists(Repository.file path) || Directory.Exists(Repository.file path)

/// The properties that the build of this repository, or the SDK's restore, reads.
let private isKnown property =
    property = "RestoreLockedMode"
    || [ "Directory.Build.props"; "Native.props" ]
       |> List.exists (fun file -> File.ReadAllText(Repository.file file).Contains $"$({property})")

[<Tests>]
let tests =
    testList
        "Deploy.Dockerfile"
        [ test "copies only what there is" {
              Expect.isNonEmpty copied "it copies something"
              Expect.isEmpty (copied |> List.filter (not << exists)) "paths that do not exist"
          }
          test "copies every project that the program is made of, and its lock file before it" {
              let project folder =
                  Path.GetRelativePath(Repository.root, projectIn folder)

              let needed =
                  [ for room in rooms "Cli" do
                        yield! [ room; project room; $"{room}/packages.lock.json" ] ]

              Expect.isEmpty (List.except copied needed) "needed and not copied"
          }
          test "copies nothing that .dockerignore keeps out" {
              let ignored =
                  File.ReadAllLines(Repository.file ".dockerignore")
                  |> Array.map (fun line -> line.Trim('/'))

              let root (path: string) = path.Split('/')[0]
              Expect.isEmpty (copied |> List.filter (fun path -> Array.contains (root path) ignored)) "kept out"
          }
          test "restores and publishes the program, for the backend that is asked for" {
              for verb in [ "restore"; "publish" ] do
                  let arguments = commands verb |> List.exactlyOne
                  Expect.equal arguments.Head "Cli" verb
                  Expect.contains arguments "-p:Backend=$BACKEND" verb
          }
          test "sets only properties that the build reads" {
              let given =
                  [ for arguments in commands "restore" @ commands "publish" do
                        for argument in arguments do
                            if argument.StartsWith "-p:" then argument.Substring(3).Split('=')[0] ]

              Expect.isEmpty (given |> List.filter (not << isKnown)) "unknown properties"
          }
          test "does not run as root" {
              let users =
                  instructions
                  |> Array.choose (fun i -> if i.Head = "USER" then Some i[1] else None)

              Expect.equal users [| "$APP_UID" |] "the unprivileged user of the base image"
          } ]
