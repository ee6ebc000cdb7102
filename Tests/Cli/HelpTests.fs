module CnnCluster.Tests.Cli.HelpTests

open Expecto
open CnnCluster.Dsl
open CnnCluster.Tests.Cli
open CnnCluster.Trainer.Training

let private help words =
    Cnn.inFolder (fun folder -> Cnn.run folder ("help" :: words))

[<Tests>]
let tests =
    testList
        "Cli.help"
        [ test "help alone lists every word, by kind" {
              let result = help []
              Expect.equal (result.ExitCode, result.Error) (0, "") "right"

              for entry in Reference.entries TrainingCatalogues.All do
                  Expect.stringContains result.Output entry.Word entry.Kind.Title
          }
          test "a layer's help has its arguments with their defaults, its rules and an example" {
              let result = help [ "batchnorm" ]
              Expect.equal (result.ExitCode, result.Error) (0, "") "right"
              Expect.isMatch result.Output @"momentum.*a number from 0 to 1.*0\.99" "an argument"
              Expect.stringContains result.Output "Ioffe, Szegedy" "the source"
              Expect.stringContains result.Output "input 28x28x6; batchnorm relu" "the example"
          }
          test "a word with several meanings shows all of them" {
              let result = help [ "constant" ]
              Expect.stringContains result.Output "constant: initialiser" "of weights"
              Expect.stringContains result.Output "constant: schedule" "of the learning rate"
          }
          test "an argument's help names the words that have it" {
              let result = help [ "momentum" ]
              Expect.stringContains result.Output "of layer batchnorm" "of a layer"
              Expect.stringContains result.Output "of optimizer sgd" "of an optimizer"
          }
          test "words of the language itself have help" {
              for word in [ "input"; "repeat"; "early-stop"; "here" ] do
                  let result = help [ word ]
                  Expect.equal (result.ExitCode, result.Error) (0, "") word
                  Expect.stringStarts result.Output $"{word}: " word
          }
          test "an unknown word is an error that suggests a known one" {
              let result = help [ "Conv2D" ]
              Expect.equal result.ExitCode 2 "wrong"

              Expect.stringContains
                  result.Error
                  "no word of the language is called 'Conv2D'. Did you mean 'conv'?"
                  "why"
          }
          test "help of help is that of every command" {
              let result = help [ "--help" ]
              Expect.equal (result.ExitCode, result.Error) (0, "") "right"
              Expect.stringContains result.Output "Usage:" "usage"
          } ]
